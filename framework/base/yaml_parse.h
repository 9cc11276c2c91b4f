// From YAML text to a tree of nodes with lines: yaml-cpp's events, made strict. Used by YamlDocument alone.
#pragma once

#include <string>
#include <string_view>

#include "framework/base/yaml.h"

namespace thaw {

// A whole document, named `name` in errors. Empty text gives null.
YamlNode parse_yaml(const std::string& name, std::string_view text);

// A value from the command line, whose errors begin with `where` and name no line; all its lines are 0.
YamlNode parse_yaml_value(const std::string& where, std::string_view text);

// The code point that starts at text[at], moving `at` past it; -1 where the bytes there are not UTF-8.
std::int32_t next_code_point(std::string_view text, std::size_t& at);

}  // namespace thaw
