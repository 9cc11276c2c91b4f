// What is found wrong, and when, of ranks whose messages are given with their times.
#include "launcher/supervisor/judge.h"

#include <gtest/gtest.h>

namespace thaw::test {
namespace {

class Judge : public ::testing::Test {
 protected:
  World world{4, 0};
  JudgeTimes times;

  Judge() {
    for (int rank = 0; rank < 4; ++rank) {
      Hello hello;
      hello.rank = rank;
      hello.size = 4;
      hello.host = rank < 2 ? "a" : "b";
      hello.pid = 100 + rank;
      world.came(hello, 1);
    }
  }
  // All but `silent` say that they are at this step, with so much waited for others since the beginning.
  void pulse(double now_s, std::int64_t step, const std::vector<int>& silent = {}, const std::vector<double>& waited_s = {0, 0, 0, 0}) {
    for (int rank = 0; rank < 4; ++rank) {
      if (std::find(silent.begin(), silent.end(), rank) != silent.end()) continue;
      Pulse p = world.ranks()[static_cast<std::size_t>(rank)].pulse;
      p.state = "training";
      p.step = step;
      p.waited_s = waited_s[static_cast<std::size_t>(rank)];
      world.pulse(rank, p, now_s);
    }
  }
  std::vector<Finding> found(double now_s) const { return judge(world, now_s, times); }
};

TEST_F(Judge, AllIsWell) {
  for (int second = 1; second < 100; ++second) {
    pulse(second, second);
    EXPECT_TRUE(found(second + 0.9).empty());
  }
}

TEST_F(Judge, ALostConnectionIsADeathUnlessItComesAgain) {
  pulse(10, 5);
  world.gone(3, 10.5);
  pulse(12, 5, {3});
  EXPECT_TRUE(found(13).empty()) << "it may come again";
  pulse(14, 5, {3});
  const auto findings = found(14);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].kind, Finding::Kind::lost);
  EXPECT_EQ(findings[0].rank, 3);
  EXPECT_TRUE(findings[0].fatal);
  EXPECT_TRUE(findings[0].hosts.empty()) << "rank 2 of the same host is heard";
  EXPECT_NE(findings[0].message.find("rank 3 on b (pid 103) has died"), std::string::npos) << findings[0].message;
  EXPECT_LT(14 - 10.5, 5);

  Hello again = *world.ranks()[3].hello;
  world.came(again, 14.2);
  EXPECT_TRUE(found(15).empty());
}

TEST_F(Judge, WhoSaidGoodbyeHasNotDied) {
  for (int rank = 0; rank < 4; ++rank) {
    world.last_words(rank, {0, ""}, 20);
    world.gone(rank, 20);
  }
  EXPECT_TRUE(found(60).empty());
}

TEST_F(Judge, ASilentRankBesideOneThatIsHeardIsStopped) {
  pulse(10, 5);
  pulse(15, 5, {2});
  pulse(18.1, 5, {2});
  const auto findings = found(18.2);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].kind, Finding::Kind::silent);
  EXPECT_EQ(findings[0].rank, 2);
  EXPECT_TRUE(findings[0].hosts.empty());
  EXPECT_NE(findings[0].message.find("rank 2 on b (pid 102) is stopped: silent for 8.2 s"), std::string::npos) << findings[0].message;
}

TEST_F(Judge, AHostOfWhichNothingIsHeardIsCutOff) {
  pulse(10, 5);
  pulse(18.1, 5, {2, 3});
  const auto findings = found(18.2);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].hosts, std::vector<std::string>{"b"});
  EXPECT_NE(findings[0].message.find("b is cut off: nothing was heard of its ranks 2, 3 for 8.2 s"), std::string::npos)
      << findings[0].message;
}

TEST_F(Judge, WhomTheOthersWaitForIsNamed) {
  pulse(10, 5);
  for (int rank = 0; rank < 4; ++rank) {
    Pulse p = world.ranks()[static_cast<std::size_t>(rank)].pulse;
    p.collectives = rank == 1 ? 41 : 42;
    if (rank != 1) {
      p.collective = "all_reduce";
      p.bytes = 4096;
      p.since_s = 12;
    } else {
      p.process = 'D';
    }
    world.pulse(rank, p, 30);
  }
  auto findings = found(30);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].kind, Finding::Kind::stuck);
  EXPECT_EQ(findings[0].rank, 1);
  EXPECT_FALSE(findings[0].fatal);
  EXPECT_NE(findings[0].message.find(
                "ranks 0, 2, 3 wait in all_reduce number 42 (4096 bytes) since 12.0 s: for rank 1 on a (pid 101), at step 5, "
                "in a read or write that does not return"),
            std::string::npos)
      << findings[0].message;
  times.stall_s = 11;
  EXPECT_TRUE(found(30)[0].fatal);
}

TEST_F(Judge, AStragglerIsNamedWithItsFactor) {
  // One step a second: three ranks work for 0.4 s and wait for the fourth, which works for 0.9 s.
  std::vector<double> waited(4, 0);
  for (int second = 1; second <= 4; ++second) {
    for (int rank = 0; rank < 4; ++rank) waited[static_cast<std::size_t>(rank)] += rank == 2 ? 0.1 : 0.6;
    pulse(second, second, {}, waited);
  }
  EXPECT_TRUE(found(4.5).empty()) << "too early to tell";
  for (int second = 5; second <= 12; ++second) {
    for (int rank = 0; rank < 4; ++rank) waited[static_cast<std::size_t>(rank)] += rank == 2 ? 0.1 : 0.6;
    pulse(second, second, {}, waited);
  }
  const auto findings = found(12.5);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].kind, Finding::Kind::slow);
  EXPECT_EQ(findings[0].rank, 2);
  EXPECT_FALSE(findings[0].fatal);
  EXPECT_NE(findings[0].message.find("2.2 times the median of 0.400 s"), std::string::npos) << findings[0].message;
}

TEST_F(Judge, TheFirstOwnErrorComesBeforeWhatOthersSayOfIt) {
  pulse(20, 5);
  world.last_words(0, {69, "rank 2 has died"}, 20);
  world.last_words(2, {65, "row 17 has no label"}, 21);
  const auto findings = found(21);
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_EQ(findings[0].rank, 2);
  EXPECT_NE(findings[0].message.find("row 17"), std::string::npos);
}

TEST(JudgeOfAStart, RanksThatDoNotComeAreNamed) {
  World world(3, 0);
  Hello hello;
  hello.rank = 1;
  hello.size = 3;
  world.came(hello, 1);
  Pulse pulse;
  world.pulse(1, pulse, 119);
  EXPECT_TRUE(judge(world, 119, {}).empty());
  world.pulse(1, pulse, 121);
  const auto findings = judge(world, 121, {});
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].kind, Finding::Kind::absent);
  EXPECT_NE(findings[0].message.find("ranks 0, 2 of 3 did not come"), std::string::npos) << findings[0].message;
}

}  // namespace
}  // namespace thaw::test
