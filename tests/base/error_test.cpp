// What becomes of exceptions that are not ours, and of a mapped file that shrinks.
#include "framework/base/error.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <new>

#include "framework/base/bus_error.h"
#include "framework/base/file.h"

namespace thaw {
namespace {

TEST(AsError, KeepsOursAndJudgesOthers) {
  const RecipeError ours("recipe.yaml:3: no");
  EXPECT_EQ(as_error(ours).code(), ExitCode::bad_data);
  EXPECT_STREQ(as_error(ours).what(), "recipe.yaml:3: no");
  const auto of_file = [](int number) {
    return as_error(fs::filesystem_error("status", "a/b", std::error_code(number, std::generic_category())));
  };
  EXPECT_EQ(of_file(ENOENT).code(), ExitCode::input_missing);
  EXPECT_EQ(of_file(ENOSPC).code(), ExitCode::cannot_write);
  EXPECT_EQ(of_file(EACCES).code(), ExitCode::io_error);
  EXPECT_STREQ(of_file(EACCES).what(), "a/b: Permission denied");
  EXPECT_EQ(as_error(std::bad_alloc()).code(), ExitCode::bad_data);
  EXPECT_EQ(as_error(std::logic_error("oops")).code(), ExitCode::bug);
  EXPECT_STREQ(as_error(std::logic_error("oops")).what(), "this is a bug, please report it: oops");
}

TEST(BusError, NamesTheFileThatShrank) {
  const fs::path path = fs::temp_directory_path() / fmt::format("thaw-shrinking-{}", ::getpid());
  EXPECT_EXIT(
      {
        explain_bus_errors();
        write_file_atomically(path, std::string(100000, 'x'));
        const MappedFile mapped(path);
        fs::resize_file(path, 10);
        volatile char last = mapped.text()[90000];
        static_cast<void>(last);
      },
      ::testing::ExitedWithCode(74), "thaw-shrinking-[0-9]+: shrank while it was being read");
  fs::remove(path);
}

}  // namespace
}  // namespace thaw
