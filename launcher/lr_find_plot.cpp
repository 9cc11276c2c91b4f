#include "launcher/lr_find_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "launcher/svg.h"

namespace thaw {

std::string lr_find_svg(const std::string& title, const LrRangeTest& test) {
  const double left = 70, top = 54, width = 650, height = 330;
  const double first = std::log10(test.lr().front()), last = std::log10(test.lr().back());
  // The rise at the end leaves the picture, so that the dip before it is seen.
  const auto [least, most] = std::minmax_element(test.loss().begin(), test.loss().end());
  const double start = test.loss().front(), top_loss = std::min(*most, start + 2 * (start - *least) + 0.05 * std::abs(start));
  const double margin = std::max(0.05 * (top_loss - *least), 1e-6), low = *least - margin, high = top_loss + margin;
  const auto x = [&](double lr) { return left + width * (std::log10(lr) - first) / (last - first); };
  const auto y = [&](double loss) { return top + height * (high - loss) / (high - low); };

  Svg svg;
  svg.text(left, 28, title, "start", "font-size=\"16\" font-weight=\"bold\"");
  for (int power = static_cast<int>(std::ceil(first - 1e-9)); power <= last + 1e-9; ++power) {
    const double at = x(std::pow(10.0, power));
    svg.line(at, top, at, top + height, "stroke=\"#e6e6e6\"");
    svg.line(at, top + height, at, top + height + 5, "stroke=\"#222\"");
    svg.text(at, top + height + 20, fmt::format("1e{}", power), "middle");
  }
  const double step = tick_step(high - low);
  for (double tick = std::ceil(low / step) * step; tick <= high; tick += step) {
    svg.line(left - 5, y(tick), left + width, y(tick), "stroke=\"#e6e6e6\"");
    svg.text(left - 9, y(tick) + 4, fmt::format("{:g}", std::round(tick / step) * step), "end");
  }
  svg.raw(fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#222\"/>", left, top, width, height));
  svg.text(left + width / 2, top + height + 44, "learning rate", "middle");
  svg.raw(fmt::format("<text transform=\"translate(18 {}) rotate(-90)\" text-anchor=\"middle\">loss, smoothed</text>", top + height / 2));

  std::string points;
  for (std::size_t i = 0; i < test.lr().size(); ++i) points += fmt::format("{:.1f},{:.1f} ", x(test.lr()[i]), y(test.loss()[i]));
  svg.raw(fmt::format("<clipPath id=\"inside\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath>", left, top, width, height));
  svg.raw(fmt::format("<polyline clip-path=\"url(#inside)\" points=\"{}\" fill=\"none\" stroke=\"#2c5e94\" stroke-width=\"2\"/>", points));
  double words = top + 20;
  for (const LrRangeTest::Suggestion& suggestion : test.suggestions()) {
    const bool valley = suggestion.name == "valley";
    const char* const colour = valley ? "#c8442d" : "#3c8a3c";
    svg.raw(fmt::format("<line x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2}\" stroke=\"{3}\" stroke-dasharray=\"4 3\"/>",
                        x(suggestion.lr), top, top + height, colour));
    if (suggestion.loss <= high)
      svg.raw(fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\" fill=\"{}\"/>", x(suggestion.lr), y(suggestion.loss), colour));
    svg.raw(fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"5\" fill=\"{}\"/>", left + 16, words - 4, colour));
    svg.text(left + 28, words, fmt::format("{} {:.1e}", suggestion.name, suggestion.lr), "start");
    words += 20;
  }
  return svg.whole(left + width + 40, top + height + 60);
}

}  // namespace thaw
