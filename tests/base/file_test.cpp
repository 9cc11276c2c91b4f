// What would be lost: two hosts writing into one temporary file, a message that commands a terminal.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <set>

#include "framework/base/error.h"
#include "framework/base/file.h"

namespace thaw {
namespace {

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "thaw_file_XXXXXX").string();
    root_ = ::mkdtemp(name.data());
  }
  void TearDown() override { fs::remove_all(root_); }
  std::set<std::string> names(const fs::path& directory) const {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(directory)) found.insert(entry.path().filename().string());
    return found;
  }
  fs::path root_;
};

// A process of the same number may run on another host: the process number alone names nothing.
TEST_F(FileTest, writers_of_one_file_have_temporaries_of_their_own) {
  AtomicFile one(root_ / "a"), two(root_ / "a");
  EXPECT_EQ(names(root_).size(), 2u);
  one.write("first");
  two.write("the second");
  one.commit();
  EXPECT_EQ(read_file(root_ / "a"), "first");
  two.commit();
  EXPECT_EQ(read_file(root_ / "a"), "the second");
  EXPECT_EQ(names(root_), std::set<std::string>{"a"});
}

TEST_F(FileTest, a_workshop_keeps_the_directory_clean) {
  fs::create_directory(root_ / "workshop");
  {
    AtomicFile abandoned(root_ / "a", root_ / "workshop");
    EXPECT_EQ(names(root_), std::set<std::string>{"workshop"});
  }
  EXPECT_TRUE(names(root_ / "workshop").empty());
  write_file_atomically(root_ / "a", "whole", root_ / "workshop");
  EXPECT_EQ(read_file(root_ / "a"), "whole");
}

TEST_F(FileTest, a_pipe_is_read_whole) {
  std::string large(300'000, 'x');
  large += "end";
  write_file_atomically(root_ / "large", large);
  const std::string pipe = (root_ / "pipe").string();
  ASSERT_EQ(std::system(fmt::format("mkfifo {0}; cat {1}/large > {0} &", pipe, root_.string()).c_str()), 0);
  EXPECT_EQ(read_file(pipe), large);
}

// A job's input may be a socket, which has no name to open.
TEST_F(FileTest, standard_input_may_be_a_socket_or_half_read) {
  const int usual = ::dup(STDIN_FILENO);
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  ASSERT_EQ(::write(ends[1], "some rows", 9), 9);
  ::close(ends[1]);
  ::dup2(ends[0], STDIN_FILENO);
  ::close(ends[0]);
  EXPECT_EQ(read_standard_input(), "some rows");
  write_file_atomically(root_ / "a", "read by another, rest");
  const int file = ::open((root_ / "a").c_str(), O_RDONLY);
  ::lseek(file, 17, SEEK_SET);
  ::dup2(file, STDIN_FILENO);
  ::close(file);
  EXPECT_EQ(read_standard_input(), "rest");
  ::dup2(usual, STDIN_FILENO);
  ::close(usual);
}

TEST(Text, control_characters_do_not_reach_a_terminal) {
  EXPECT_EQ(printable("a\x1b[31mred\r\x07\x7f"), "a\\x1b[31mred\\x0d\\x07\\x7f");
  EXPECT_EQ(printable("caf\xc3\xa9\tand\nmore \xc2\xa0."), "caf\xc3\xa9\tand\nmore \xc2\xa0.");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\x9b31m")
      << "a one-byte escape, in UTF-8";
  EXPECT_EQ(printable("\xc2"), "\xc2");
  EXPECT_STREQ(DataError("found '{}'", "\x1b]0;title\x07").what(), "found '\\x1b]0;title\\x07'");
}

TEST(Text, parts_and_blanks) {
  EXPECT_EQ(split("a,,b,", ','), (std::vector<std::string>{"a", "", "b", ""}));
  EXPECT_EQ(split("", ','), std::vector<std::string>{""});
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim(" \t"), "");
}

TEST(Text, long_lists_are_cut) {
  EXPECT_EQ(listed({}), "");
  EXPECT_EQ(listed({"a", "b"}), "a, b");
  EXPECT_EQ(listed({"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"}), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10");
  EXPECT_EQ(listed({"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"}), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more");
}

}  // namespace
}  // namespace thaw
