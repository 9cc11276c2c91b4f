// A picture as SVG text: rectangles, lines, words. Coordinates are points from the upper left corner.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <string>

namespace thaw {

// 1, 2 or 5 times a power of ten, so that about five of them make `length`.
inline double tick_step(double length) {
  const double power = std::pow(10.0, std::floor(std::log10(length / 5)));
  for (const double m : {1.0, 2.0, 5.0})
    if (length / 5 <= m * power) return m * power;
  return 10 * power;
}

class Svg {
 public:
  void rect(double x, double y, double w, double h, const std::string& fill, const std::string& more = "") {
    body_ +=
        fmt::format("<rect shape-rendering=\"crispEdges\" x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" fill=\"{}\" {}/>\n",
                    x, y, w, h, fill, more);
  }
  void line(double x1, double y1, double x2, double y2, const std::string& more) {
    body_ += fmt::format("<line x1=\"{:.2f}\" y1=\"{:.2f}\" x2=\"{:.2f}\" y2=\"{:.2f}\" {}/>\n", x1, y1, x2, y2, more);
  }
  void text(double x, double y, const std::string& text, const std::string& anchor, const std::string& more = "") {
    body_ += fmt::format("<text x=\"{:.2f}\" y=\"{:.2f}\" text-anchor=\"{}\" {}>{}</text>\n", x, y, anchor, more, escaped(text));
  }
  void raw(const std::string& element) { body_ += element + "\n"; }
  std::string whole(double width, double height) const {
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
        "font-family=\"Helvetica, Arial, sans-serif\" font-size=\"13\" fill=\"#222\">\n<rect width=\"100%\" height=\"100%\" "
        "fill=\"white\"/>\n{2}</svg>\n",
        width, height, body_);
  }

 private:
  static std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : c == '"' ? "&quot;" : std::string(1, c);
    return out;
  }
  std::string body_;
};

}  // namespace thaw
