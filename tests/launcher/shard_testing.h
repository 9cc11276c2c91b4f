// What tests of `thaw shard` share: a workshop, its reports and its refusals.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "framework/base/file.h"
#include "tests/launcher/program.h"

namespace thaw::test {

// Every file below a directory, by its relative name.
inline std::map<std::string, std::string> contents(const std::string& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (entry.is_regular_file()) files[fs::relative(entry.path(), directory).string()] = read_file(entry.path());
  return files;
}

inline std::size_t shards_below(const std::string& directory) {
  std::error_code ignored;  // a file may go while we look
  std::size_t count = 0;
  for (fs::recursive_directory_iterator entry(directory, ignored), end; !ignored && entry != end; entry.increment(ignored))
    count += entry->path().extension() == ".h5" ? 1 : 0;
  return count;
}

class ShardProgram : public ::testing::Test {
 protected:
  static Json report(const Ran& ran) {
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
    return ran.exit_code == 0 ? Json::parse(ran.output.substr(ran.output.find('{'))) : Json();
  }
  static void expect(const std::string& arguments, int code, const std::vector<std::string>& phrases) {
    const Ran ran = thaw(arguments);
    EXPECT_EQ(ran.exit_code, code) << arguments << "\n" << ran.output;
    for (const std::string& phrase : phrases)
      EXPECT_NE(ran.output.find(phrase), std::string::npos) << "expected: " << phrase << "\n" << ran.output;
  }
  const Workshop shop;
};

}  // namespace thaw::test
