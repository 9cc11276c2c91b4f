#include "launcher/plan_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "launcher/svg.h"

namespace thaw {
namespace {

// Anchors of a perceptually even scale from dark blue to yellow.
std::string colour(double share) {
  constexpr std::array<std::array<double, 3>, 6> anchors{
      {{48, 52, 120}, {44, 94, 148}, {36, 137, 142}, {60, 178, 114}, {158, 212, 66}, {250, 228, 60}}};
  const double at = std::clamp(share, 0.0, 1.0) * (anchors.size() - 1);
  const auto low = std::min(static_cast<std::size_t>(at), anchors.size() - 2);
  const double part = at - static_cast<double>(low);
  std::array<int, 3> rgb{};
  for (std::size_t c = 0; c < 3; ++c) rgb[c] = static_cast<int>(std::lround(anchors[low][c] * (1 - part) + anchors[low + 1][c] * part));
  return fmt::format("#{:02x}{:02x}{:02x}", rgb[0], rgb[1], rgb[2]);
}

// "encoder.layer.11" → "layer 11"
std::string short_name(const std::string& layer) {
  const std::size_t dot = layer.rfind('.');
  const bool number =
      dot != std::string::npos && dot + 1 < layer.size() &&
      std::all_of(layer.begin() + static_cast<std::ptrdiff_t>(dot) + 1, layer.end(), [](char c) { return c >= '0' && c <= '9'; });
  return number ? "layer " + layer.substr(dot + 1) : layer;
}

}  // namespace

std::string plan_svg(const std::string& title, const std::vector<std::string>& layers, const std::vector<PlotPhase>& phases) {
  double steps = 0, lowest = INFINITY, highest = 0;
  for (const PlotPhase& phase : phases) {
    steps += phase.steps;
    for (const double lr : phase.lr)
      for (const double factor : phase.factors) highest = std::max(highest, lr * factor);
  }
  for (const PlotPhase& phase : phases)
    for (const double lr : phase.lr)
      for (const double factor : phase.factors)
        if (lr * factor > highest * 1e-3) lowest = std::min(lowest, lr * factor);  // a schedule's end near 0 does not stretch the scale
  const double span = highest > lowest ? std::log(highest / lowest) : 1;

  const double left = 110, top = 64, width = 660, cell = std::clamp(420.0 / static_cast<double>(layers.size()), 9.0, 40.0),
               height = cell * static_cast<double>(layers.size()), bar = left + width + 34;
  Svg svg;
  svg.text(left, 26, title, "start", "font-size=\"16\" font-weight=\"bold\"");
  double x = left;
  for (std::size_t number = 0; number < phases.size(); ++number) {
    const PlotPhase& phase = phases[number];
    const double w = width * phase.steps / steps, column = w / static_cast<double>(phase.factors.size());
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      const double y = top + cell * static_cast<double>(layers.size() - 1 - layer);
      if (phase.lr[layer] <= 0) {
        svg.rect(x, y, w, cell, "#ececec");
        continue;
      }
      for (std::size_t k = 0; k < phase.factors.size(); ++k)
        svg.rect(x + column * static_cast<double>(k), y, column, cell,
                 colour(std::log(std::max(phase.lr[layer] * phase.factors[k], lowest) / lowest) / span));
    }
    if (number > 0) svg.line(x, top - 8, x, top + height, "stroke=\"white\" stroke-width=\"2\"");
    // A name that does not fit its phase gives way to the phase's number.
    std::string name = phase.name + (phase.open_ended ? " (at most)" : "");
    if (static_cast<double>(name.size()) * 6.6 > w) name = fmt::format("{}", number + 1);
    svg.text(x + w / 2, top - 12, name, "middle");
    x += w;
  }
  for (double y = 0; y <= static_cast<double>(layers.size()); ++y)
    svg.line(left, top + y * cell, left + width, top + y * cell, "stroke=\"white\" stroke-width=\"1\"");
  const std::size_t every = cell < 13 ? 2 : 1;
  for (std::size_t layer = 0; layer < layers.size(); layer += every)
    svg.text(left - 10, top + cell * (static_cast<double>(layers.size() - layer) - 0.5) + 4, short_name(layers[layer]), "end");
  for (double tick = 0, step = std::max(1.0, tick_step(steps)); tick <= steps * 1.0001; tick += step) {
    const double at = left + width * tick / steps;
    svg.line(at, top + height, at, top + height + 5, "stroke=\"#222\"");
    svg.text(at, top + height + 20, fmt::format("{:.0f}", tick), "middle");
  }
  svg.text(left + width / 2, top + height + 42, "optimizer step", "middle");

  // The colour bar, with ticks at powers of ten and at its ends.
  const int parts = 60;
  for (int k = 0; k < parts; ++k)
    svg.rect(bar, top + height * (parts - 1 - k) / parts, 16, height / parts + 0.5, colour((k + 0.5) / parts));
  std::vector<double> ticks{lowest, highest};
  for (double power = std::pow(10.0, std::ceil(std::log10(lowest))); power < highest; power *= 10)
    if (std::log(power / lowest) / span > 0.08 && std::log(highest / power) / span > 0.08) ticks.push_back(power);
  for (const double tick : ticks)
    svg.text(bar + 22, top + height * (1 - (highest > lowest ? std::log(tick / lowest) / span : 1)) + 4, fmt::format("{:.1e}", tick),
             "start");
  svg.text(bar, top - 12, "learning rate", "start");
  svg.rect(bar, top + height + 12, 16, 12, "#ececec");
  svg.text(bar + 22, top + height + 22, "asleep", "start");
  return svg.whole(bar + 100, top + height + 58);
}

}  // namespace thaw
