// What tests of `thaw shard` share: a workshop, its reports and its refusals.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/launcher/program.h"

namespace thaw::test {

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
