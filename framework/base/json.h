// JSON read from outside, viewed with its file and path in mind, so that a wrong value is named where it stands:
// "config.json: hidden_size: expected a positive integer, found \"large\"".
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace thaw {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

// A value inside a JSON file. Throws DataError (65) with file and path where a value is missing or of another kind.
class JsonView {
 public:
  JsonView(const Json& value, std::string where) : value_(&value), where_(std::move(where)) {}

  const Json& raw() const { return *value_; }
  const std::string& where() const { return where_; }
  bool has(std::string_view key) const;             // there and not null
  JsonView operator[](std::string_view key) const;  // must be there
  JsonView operator[](std::size_t index) const;
  std::size_t size() const;  // of an array or object

  std::string text() const;
  std::int64_t integer() const;  // whole numbers, also written 2.0
  double number() const;
  bool boolean() const;

  std::string text_or(std::string_view key, std::string_view otherwise) const;
  std::int64_t integer_or(std::string_view key, std::int64_t otherwise) const;
  double number_or(std::string_view key, double otherwise) const;
  bool boolean_or(std::string_view key, bool otherwise) const;

  [[noreturn]] void fail(std::string_view expected) const;  // "expected …, found …"

 private:
  const Json* value_;
  std::string where_;
};

// A parsed file that lives as long as its views. Syntax errors are DataErrors with line and column; depth is limited.
class JsonFile {
 public:
  explicit JsonFile(const std::filesystem::path& path);
  JsonFile(std::string name, std::string_view text);
  JsonView view() const { return {value_, name_}; }
  const Json& raw() const { return value_; }

 private:
  std::string name_;
  Json value_;
};

}  // namespace thaw
