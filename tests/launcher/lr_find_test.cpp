// thaw lr-find: the same curve on any number of ranks, suggestions inside it, nothing written but what was asked for.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/launcher/program.h"

namespace thaw::test {
namespace {

class LrFind : public ::testing::Test {
 protected:
  Workshop shop;
  std::string command(const std::string& more) const {
    return "lr-find " + shop.path("recipe.yaml") + " data.cache_dir=" + shop.path("cache") + " dropout=0.1 " + more;
  }
};

TEST_F(LrFind, the_same_curve_on_two_ranks) {
  Json one = Json::parse(thaw(command("--json 2>/dev/null")).output), two = Json::parse(thaw(command("--json 2>/dev/null"), 2).output);
  // Sums of floats in another order, and rates at which small differences grow: the end may be a step apart.
  ASSERT_NEAR(static_cast<double>(one["lr"].size()), static_cast<double>(two["lr"].size()), 3);
  ASSERT_GT(std::min(one["lr"].size(), two["lr"].size()), 50u);
  for (std::size_t i = 0; i < 50; ++i) EXPECT_NEAR(one["loss"][i].get<double>(), two["loss"][i].get<double>(), 1e-4) << i;
  for (const char* name : {"valley", "steep"}) {
    const double lr = one["suggestions"][name]["lr"];
    EXPECT_GT(lr, 1e-7);
    EXPECT_LT(lr, 10);
  }
  EXPECT_LT(one["loss"].back().get<double>(), 1e6);
  EXPECT_FALSE(std::filesystem::exists(shop.path("run"))) << "no run directory";
}

TEST_F(LrFind, table_and_picture_of_the_first_phase) {
  const Ran ran = thaw(command("--plot " + shop.path("lr.svg") + " epochs=1 --steps 60"));
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  for (const char* text : {"learning: all; ", "valley", "steep", "lowest loss", "optimizer.lr="})
    EXPECT_NE(ran.output.find(text), std::string::npos) << text << "\n" << ran.output;
  const std::string picture = shop.file("lr.svg");
  for (const char* text : {"<svg", "learning rate", "1e-4", "valley", "steep", "<polyline"})
    EXPECT_NE(picture.find(text), std::string::npos) << text;
  EXPECT_EQ(shell("python3 -c \"import xml.dom.minidom; xml.dom.minidom.parse(\\\"" + shop.path("lr.svg") + "\\\")\"").exit_code, 0);

  std::string recipe = shop.file("recipe.yaml");
  recipe.erase(recipe.find("epochs: 2\n"), 10);
  shop.write("recipe.yaml", recipe + "thaw: {preset: fastai}\n");
  const Json head = Json::parse(thaw(command("--json 2>/dev/null")).output);
  EXPECT_EQ(head["trainable"], Json::array({"head"}));
}

TEST_F(LrFind, refusals) {
  Ran ran = thaw(command("--start 1 --end 0.1"), 2);
  EXPECT_EQ(ran.exit_code, 64) << ran.output;
  EXPECT_NE(ran.output.find("expected --end above --start"), std::string::npos) << ran.output;
  EXPECT_EQ(thaw(command("--steps 3")).exit_code, 64);
  EXPECT_EQ(thaw(command("optimizer.learning_rate=1")).exit_code, 65);
}

}  // namespace
}  // namespace thaw::test
