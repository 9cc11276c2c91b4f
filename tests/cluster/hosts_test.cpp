// Virtual hosts: a run goes across them as across real ones, each is a host of its own, and a cut link carries nothing.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "framework/base/json.h"
#include "tests/support/testbed.h"

namespace thaw::test {
namespace {

TEST(Hosts, ARunGoesAcrossTwo) {
  const Testbed bed(2);
  if (!bed.missing().empty()) GTEST_SKIP() << bed.missing();
  const Workshop shop;
  ASSERT_EQ(thaw(shop.train("one", "reproducible=true batch.grain=4")).exit_code, 0);
  const Ran two = shell(bed.command(shop.train("two", "reproducible=true batch.grain=4"), 2));
  ASSERT_EQ(two.exit_code, 0) << two.output;
  EXPECT_NE(two.output.find("1 rank on " + bed.host(1) + ", 1 on " + bed.host(2)), std::string::npos) << two.output;
  EXPECT_EQ(shop.file("two/best/model.safetensors"), shop.file("one/best/model.safetensors"));
}

TEST(Hosts, EachHasItsOwnNamesProcessesAndMemory) {
  const Testbed bed(2);
  if (!bed.missing().empty()) GTEST_SKIP() << bed.missing();
  for (const int number : {1, 2}) {
    const Ran ran =
        bed.exec(number, "bash -c \"hostname; ls /sys/class/net | xargs; ls /dev/shm | wc -l; touch /dev/shm/mine; ps ax | wc -l\"");
    EXPECT_EQ(ran.output.substr(0, ran.output.rfind('\n', ran.output.size() - 2)), bed.host(number) + "\neth0 lo\n0") << ran.output;
  }
}

TEST(Hosts, ACutLinkCarriesNothingUntilMended) {
  const Testbed bed(2);
  if (!bed.missing().empty()) GTEST_SKIP() << bed.missing();
  // To a port where nobody listens: an answer, though a refusal, comes at once; without a link there is none.
  const auto answers = [&](int from, const std::string& to) {
    return bed.exec(from, fmt::format("timeout 1 bash -c \"</dev/tcp/{}/1\"", to)).output.find("refused") != std::string::npos;
  };
  EXPECT_TRUE(answers(1, bed.host(2)));
  EXPECT_TRUE(answers(1, bed.address()));
  ASSERT_EQ(bed.set("cut", 2).exit_code, 0);
  EXPECT_FALSE(answers(1, bed.host(2)));
  EXPECT_FALSE(answers(2, bed.address()));
  EXPECT_TRUE(answers(1, bed.address()));
  ASSERT_EQ(bed.set("mend", 2).exit_code, 0);
  EXPECT_TRUE(wait_until([&] { return answers(1, bed.host(2)); }));
  ASSERT_EQ(bed.set("loss", 2, "100%").exit_code, 0);
  EXPECT_FALSE(answers(2, bed.address()));
  ASSERT_EQ(bed.set("loss", 2, "0").exit_code, 0);
  EXPECT_TRUE(wait_until([&] { return answers(2, bed.address()); }));
}

TEST(Hosts, StopLeavesNothing) {
  std::string first;
  {
    const Testbed bed(2, "--cpus 0.5 --rate 1gbit");
    if (!bed.missing().empty()) GTEST_SKIP() << bed.missing();
    first = bed.host(1);
    ASSERT_EQ(bed.exec(1, "bash -c \"sleep 1000 >/dev/null 2>&1 & disown\"").exit_code, 0);
  }
  EXPECT_EQ(shell("ls /sys/class/net /sys/fs/cgroup /sys/fs/cgroup/cpu 2>/dev/null | grep -c " + first).output, "0\n");
  EXPECT_EQ(shell("grep -c " + first + " /etc/hosts").output, "0\n");
  EXPECT_EQ(shell("cat /proc/[0-9]*/environ 2>/dev/null | tr \"\\0\" \"\\n\" | grep -c HOSTNAME=" + first).output, "0\n");
}

TEST(Hosts, MistakesAreNamed) {
  if (::getuid() != 0) GTEST_SKIP() << "not root";
  EXPECT_EQ(shell(std::string(Testbed::script) + " start lab1 2").exit_code, 64);
  EXPECT_EQ(shell(std::string(Testbed::script) + " start lab 0").exit_code, 64);
  const Ran ran = shell(std::string(Testbed::script) + " cut nobody1");
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_NE(ran.output.find("no host nobody1"), std::string::npos) << ran.output;
}

}  // namespace
}  // namespace thaw::test
