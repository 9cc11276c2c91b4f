// What would be lost: two owners of one directory where leases come and go, and traces of a lease in a finished directory.
// (Owners that compete, die or fall behind are tried in tests/train/run_directory_test.cpp.)
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/lease.h"

namespace thaw {
namespace {

class LeaseTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "thaw_lease_XXXXXX").string();
    root_ = ::mkdtemp(name.data());
  }
  void TearDown() override { fs::remove_all(root_); }
  fs::path root_;
};

TEST_F(LeaseTest, a_discarded_lease_leaves_nothing) {
  const fs::path place = root_ / "place";
  {
    Lease lease(place);
    try {
      Lease second(place);
      FAIL() << "two owners";
    } catch (const LeaseHeld& held) {
      EXPECT_EQ(held.code(), ExitCode::cannot_write);
      EXPECT_NE(held.owner().find(fmt::format("pid {}", ::getpid())), std::string::npos) << held.owner();
    }
    lease.discard();
    EXPECT_TRUE(fs::is_empty(place));
    EXPECT_THROW(lease.check(), FileError);
  }
  EXPECT_TRUE(fs::is_empty(place)) << "the destructor wrote something";
}

// Found by fuzzing: whoever told its owner from such a file ran out of stack.
TEST_F(LeaseTest, a_file_that_nests_too_deep_is_no_lease) {
  const std::string deep = "{\"host\": " + std::string(100'000, '[') + std::string(100'000, ']') + "}";
  make_directory(root_ / "lease");
  write_file_atomically(root_ / "lease" / "00000001.json", deep);
  try {
    Lease lease(root_);
    FAIL() << "taken for a lease that is over";
  } catch (const LeaseHeld& held) {
    EXPECT_EQ(held.owner(), "an unreadable lease, 00000001.json");
  }
}

// A rank that holds no lease checks by its owner's mark; a number that comes again is not taken for the old one.
TEST_F(LeaseTest, a_mark_stands_for_one_lease_alone) {
  auto first = std::make_unique<Lease>(root_);
  const std::string mark = first->mark();
  EXPECT_NO_THROW(Lease::check(root_, mark));
  first->discard();
  EXPECT_THROW(Lease::check(root_, mark), FileError);
  const Lease second(root_);
  EXPECT_EQ(second.generation(), 1);
  EXPECT_THROW(Lease::check(root_, mark), FileError);
  EXPECT_NO_THROW(Lease::check(root_, second.mark()));
}

TEST_F(LeaseTest, what_killed_claimants_left_goes_with_the_next_lease) {
  fs::create_directories(root_ / "lease");
  write_file_atomically(root_ / "lease" / "claim-node7-1-1", "x");
  fs::last_write_time(root_ / "lease" / "claim-node7-1-1", fs::file_time_type::clock::now() - std::chrono::minutes(5));
  write_file_atomically(root_ / "lease" / "claim-node8-1-1", "x");
  Lease lease(root_);
  EXPECT_FALSE(fs::exists(root_ / "lease" / "claim-node7-1-1"));
  EXPECT_TRUE(fs::exists(root_ / "lease" / "claim-node8-1-1")) << "that one may be about to take its turn";
  lease.discard();
  EXPECT_TRUE(fs::exists(root_ / "lease" / "claim-node8-1-1"));
}

// It would keep a finished directory of shards from losing its lease's.
TEST_F(LeaseTest, the_claim_of_a_process_that_died_here_goes_at_once) {
  fs::create_directories(root_ / "lease");
  const fs::path unreadable = root_ / "lease" / "00000001.json";
  write_file_atomically(unreadable, "");  // whoever comes waits a while for it to be written
  const pid_t claimant = ::fork();
  if (claimant == 0) {
    const Lease never(root_);
    ::_exit(0);
  }
  const auto claims = [&] {
    return std::count_if(fs::directory_iterator(root_ / "lease"), fs::directory_iterator(),
                         [](const auto& entry) { return entry.path().filename().string().starts_with("claim-"); });
  };
  for (int i = 0; i < 1000 && claims() == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ::kill(claimant, SIGKILL);
  ::waitpid(claimant, nullptr, 0);
  ASSERT_EQ(claims(), 1);
  fs::remove(unreadable);
  const Lease lease(root_);
  EXPECT_EQ(claims(), 0);
}

TEST_F(LeaseTest, one_owner_at_a_time_while_directories_come_and_go) {
  std::atomic<int> owners = 0, both = 0, taken = 0, other_errors = 0;
  std::vector<std::thread> rivals;
  for (int i = 0; i < 4; ++i)
    rivals.emplace_back([&] {
      for (int mine = 0; mine < 20;) try {
          Lease lease(root_ / "place");
          both += ++owners > 1;
          std::this_thread::sleep_for(std::chrono::microseconds(200));
          lease.check();
          --owners;
          ++mine, ++taken;
          lease.discard();
          ::rmdir((root_ / "place").c_str());
        } catch (const LeaseHeld&) {
          std::this_thread::sleep_for(std::chrono::microseconds(300));
        } catch (const std::exception& error) {
          ADD_FAILURE() << error.what();
          ++other_errors;
          return;
        }
    });
  for (std::thread& rival : rivals) rival.join();
  EXPECT_EQ(both, 0);
  EXPECT_EQ(taken, 80);
  EXPECT_EQ(other_errors, 0);
}

}  // namespace
}  // namespace thaw
