// The hub's cache, laid out as huggingface_hub does, and found where it finds it.
#include "framework/models/hub.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "tests/support/reference.h"

namespace thaw {
namespace {

const std::string first(40, 'a'), second(40, 'b');

class Hub : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const std::string& commit : {first, second}) {
      fs::create_directories(repository / "snapshots" / commit);
      write_file_atomically(repository / "snapshots" / commit / "config.json", "{}");
    }
    fs::create_directories(repository / "refs/pr");
    write_file_atomically(repository / "refs/main", first);
    write_file_atomically(repository / "refs/pr/1", second);
    for (const char* name : {"HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"}) ::unsetenv(name);
    ::setenv("HF_HUB_CACHE", cache.c_str(), 1);
  }
  void TearDown() override { fs::remove_all(cache); }
  fs::path cache = fs::temp_directory_path() / fmt::format("thaw-hub-{}", ::getpid());
  fs::path repository = cache / "models--some--model-x";

  static std::string refusal(const std::string& model) {
    try {
      find_model(model);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::input_missing);
      return error.what();
    }
    return "found";
  }
};

TEST_F(Hub, FindsRevisions) {
  EXPECT_EQ(find_model("some/model-x").revision, first);
  EXPECT_EQ(find_model("some/model-x@pr/1").revision, second);
  EXPECT_EQ(find_model("some/model-x@" + second).directory, repository / "snapshots" / second);
  ::unsetenv("HF_HUB_CACHE");
  fs::create_directory(cache / "hub");
  fs::rename(repository, cache / "hub/models--some--model-x");
  ::setenv("HF_HOME", cache.c_str(), 1);
  EXPECT_EQ(find_model("some/model-x").revision, first);
}

TEST_F(Hub, WhereHuggingFaceFindsIt) {
  THAW_NEEDS_PYTHON();
  const std::string command = fmt::format(
      "'{}' -c \"from huggingface_hub import snapshot_download as s; assert s('some/model-x', local_files_only=True) == '{}', "
      "s('some/model-x', "
      "local_files_only=True)\"",
      *test::python(), find_model("some/model-x").directory.string());
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

TEST_F(Hub, WhatIsMissingNamesTheCommand) {
  EXPECT_NE(refusal("other/model").find("hf download other/model"), std::string::npos);
  EXPECT_NE(refusal("some/model-x@v2").find("hf download some/model-x --revision v2"), std::string::npos);
  EXPECT_NE(refusal("some/model-x@v2").find(cache.string()), std::string::npos);
  for (const char* odd : {"../etc", "some", "some/model/x", "/nowhere/at/all", "some/..", "some/model-x@../../x", ""})
    EXPECT_NE(refusal(odd), "found") << odd;
  EXPECT_NE(refusal(cache.string()).find("no config.json"), std::string::npos);
}

}  // namespace
}  // namespace thaw
