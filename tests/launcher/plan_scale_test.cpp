// thaw plan --ranks N --network …: forecasts for ranks that are not there.
#include <gtest/gtest.h>

#include "framework/base/text.h"
#include "tests/launcher/program.h"

namespace thaw::test {
namespace {

Json plan_in(const Ran& ran) {
  for (const std::string& line : split(ran.output, '\n'))
    if (line.starts_with("{\"")) return Json::parse(line);
  return Json::object();
}

TEST(PlanAtScale, TellsAPhasesStepAndWhatTheNetworkAddsToIt) {
  const Workshop shop;
  const std::string plan = fmt::format("plan {} --json --measure 2 ", shop.path("recipe.yaml"));
  const Ran one = thaw(plan + "--ranks 1 --network 10gbit"), fast = thaw(plan + "--ranks 4 --network ndr400 --ranks-per-node 4"),
            slow = thaw(plan + "--ranks 4 --network 1gbit", 2);
  for (const Ran* ran : {&one, &fast, &slow}) ASSERT_EQ(ran->exit_code, 0) << ran->output;
  EXPECT_EQ(plan_in(one)["phases"][0]["efficiency"], 1.0);
  const Json phase = plan_in(slow)["phases"][0];
  EXPECT_EQ(plan_in(slow)["all_reduce"], "binomial");
  EXPECT_EQ(plan_in(slow)["measured_on"]["ranks"], 2);
  EXPECT_EQ(phase["steps"], 12) << "those of the recipe's batch, whatever was measured";
  EXPECT_NEAR(phase["step_s"].get<double>(), phase["compute_s"].get<double>() + phase["open_s"].get<double>(), 1e-9);
  EXPECT_GT(phase["open_s"].get<double>(), 3 * plan_in(fast)["phases"][0]["open_s"].get<double>());
  EXPECT_LT(phase["efficiency"].get<double>(), 1.0);
}

TEST(PlanAtScale, RefusesWhatCannotBe) {
  const Workshop shop;
  const auto refused = [&](const std::string& options) { return thaw(fmt::format("plan {} {}", shop.path("recipe.yaml"), options)); };
  const Ran many = refused("--ranks 64 --network 10gbit");
  EXPECT_EQ(many.exit_code, 65);
  EXPECT_NE(many.output.find("fewer than the 64 ranks"), std::string::npos) << many.output;
  EXPECT_EQ(refused("--ranks 4").exit_code, 64);
  EXPECT_EQ(refused("--ranks 4 --network carrier-pigeon").exit_code, 66);
  EXPECT_EQ(refused("--ranks 4 --network 10gbit --all-reduce tree").exit_code, 64);
}

}  // namespace
}  // namespace thaw::test
