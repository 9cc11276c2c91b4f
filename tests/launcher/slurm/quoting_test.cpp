// What would be lost: a path with a quote in it that runs as a command on a cluster.
#include <gtest/gtest.h>

#include "framework/base/error.h"
#include "launcher/slurm/quoting.h"
#include "launcher/slurm/time_limit.h"
#include "tests/launcher/program.h"

namespace thaw::test {
namespace {

const std::vector<std::string> odd{
    "plain-1.0/a_b+c:d,e@f%g=h",
    "",
    "a b",
    "it's",
    "\"double\"",
    "$HOME",
    "$(touch /tmp/thaw-was-here)",
    "`touch /tmp/thaw-was-here`",
    "a;b&c|d>e<f",
    "*?[a-z]{1,2}~",
    "back\\slash\\n",
    "two\nlines",
    "tab\tand \x01",
    "\\'$(x)\n'\\''",
    "größe ∆",
    "-n",
    "#hash",
    "!history",
};

// Bash itself says what it makes of a quoted word.
TEST(Quoting, BashReadsEveryTextBack) {
  const Workshop shop;
  std::string script, expected;
  for (const std::string& text : odd) {
    script += "printf '%s|' " + shell_quoted(text) + "\n";
    expected += text + "|";
    EXPECT_EQ(shell_quoted(text).find('\n'), std::string::npos) << "a quoted word stands in comments too";
  }
  shop.write("words.sh", script);
  EXPECT_EQ(shell("bash " + shop.path("words.sh")).output, expected);
}

TEST(Quoting, PlainWordsStayReadable) {
  EXPECT_EQ(shell_quoted("runs/reviews-42"), "runs/reviews-42");
  EXPECT_EQ(shell_quoted("optimizer.lr=3e-5"), "optimizer.lr=3e-5");
  EXPECT_EQ(sbatch_quoted("runs/a/%j.out"), "runs/a/%j.out");
}

TEST(Quoting, SbatchTakesNoLineEnds) {
  EXPECT_THROW(sbatch_quoted("a\n#SBATCH --uid=0"), UsageError);
  EXPECT_EQ(sbatch_quoted("a \"b\" \\ #c"), "\"a \\\"b\\\" \\\\ #c\"");
  EXPECT_EQ(sbatch_directory("100%/j"), "100%%/j");
  EXPECT_THROW(sbatch_directory("a\\b"), UsageError);
}

TEST(TimeLimit, AsSlurmWritesIt) {
  EXPECT_EQ(time_limit_s("90"), 5400);
  EXPECT_EQ(time_limit_s("90:30"), 5430);
  EXPECT_EQ(time_limit_s("4:00:00"), 14400);
  EXPECT_EQ(time_limit_s("2-12"), 216000);
  EXPECT_EQ(time_limit_s("2-12:30"), 217800);
  EXPECT_EQ(time_limit_s("1-0:0:5"), 86405);
  for (const char* other : {"", "UNLIMITED", "4h", "1:2:3:4", "1-", "-5", "1:-2"}) EXPECT_FALSE(time_limit_s(other)) << other;
}

}  // namespace
}  // namespace thaw::test
