// What would be lost: a suggestion that is another one than fastai's for the same losses. The expected numbers are what
// fastai 2.7's `valley`, `steep` and smoothed loss gave for these curves.
#include "framework/thaw/lr_range.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace thaw {
namespace {

LrRangeTest run(const std::function<double(int step, double lr)>& loss, int steps = 100) {
  LrRangeTest test(1e-7, 10, steps);
  for (int step = 0; test.goes_on(); ++step) test.add(loss(step, test.next_lr()));
  return test;
}

void expect(const LrRangeTest& test, std::size_t steps, double valley, double valley_loss, double steep, double steep_loss) {
  EXPECT_EQ(test.lr().size(), steps);
  const auto found = test.suggestions();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].name, "valley");
  EXPECT_NEAR(found[0].lr / valley, 1, 1e-9);
  EXPECT_NEAR(found[0].loss, valley_loss, 1e-9);
  EXPECT_EQ(found[1].name, "steep");
  EXPECT_NEAR(found[1].lr / steep, 1, 1e-9);
  EXPECT_NEAR(found[1].loss, steep_loss, 1e-9);
}

TEST(LrRange, suggestions_are_fastais) {
  const LrRangeTest dip = run([](int i, double lr) {
    const double e = std::log10(lr);
    return 0.7 - 0.5 * std::exp(-(e + 2) * (e + 2)) + 0.02 * std::sin(1.7 * i) + std::pow(std::max(0.0, e + 1), 3) * 40;
  });
  expect(dip, 87, 0.001, 0.6723109073611843, 0.007585775750291836, 0.575164595138801);
  EXPECT_TRUE(dip.diverged()) << "four times the best";
  const LrRangeTest slope = run([](int i, double lr) {
    return 2.3 - 0.3 * std::atan(3 * (std::log10(lr) + 3)) + 0.05 * std::sin(0.9 * i) + (lr > 0.01 ? lr * 30 : 0);
  });
  expect(slope, 93, 0.0002754228703338166, 2.7072601824809106, 0.001737800828749376, 2.6150573445465373);
  const LrRangeTest rising = run([](int i, double) { return 1 + 0.01 * i; });
  expect(rising, 100, 6.309573444801933e-07, 1.0520185960706883, 6.309573444801933e-07, 1.0520185960706883);
  EXPECT_FALSE(rising.diverged());
}

TEST(LrRange, rates_rise_exponentially) {
  const LrRangeTest test = run([](int, double) { return 1.0; }, 40);
  ASSERT_EQ(test.lr().size(), 40u);
  EXPECT_NEAR(test.lr()[0], 1e-7, 1e-18);
  EXPECT_NEAR(test.lr()[20], 1e-3, 1e-12);
  EXPECT_NEAR(test.lr()[39] * std::pow(1e8, 1.0 / 40), 10, 1e-9);
  for (const double loss : test.loss()) EXPECT_NEAR(loss, 1, 1e-12) << "the average's start is corrected";
}

TEST(LrRange, losses_that_are_not_numbers_end_it) {
  const LrRangeTest late = run([](int i, double) { return i < 30 ? 1.0 - 0.01 * i : NAN; });
  EXPECT_EQ(late.lr().size(), 30u);
  EXPECT_TRUE(late.diverged());
  EXPECT_EQ(late.suggestions().size(), 2u);
  EXPECT_TRUE(run([](int i, double) { return i < 11 ? 1.0 : INFINITY; }).suggestions().empty());
  EXPECT_TRUE(run([](int, double) { return NAN; }).lr().empty());
}

}  // namespace
}  // namespace thaw
