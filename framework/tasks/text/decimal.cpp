#include "framework/tasks/text/decimal.h"

#include <algorithm>

#include "framework/tasks/text/characters.h"

namespace thaw {
namespace {

std::u32string without_leading_zeros(const std::u32string& figures) {
  const std::size_t first = figures.find_first_not_of(U'0');
  return first == figures.npos ? U"0" : figures.substr(first);
}

}  // namespace

std::u32string decimal(int number) {
  const std::string figures = std::to_string(number);
  return {figures.begin(), figures.end()};
}

std::u32string power_of_ten(int zeros) { return U"1" + std::u32string(static_cast<std::size_t>(zeros), U'0'); }

bool is_number(const std::u32string& text) {
  const std::size_t point = std::min(text.find(U'.'), text.size());
  const auto all_decimals = [&](std::size_t begin, std::size_t end) {
    return begin < end &&
           std::all_of(text.begin() + static_cast<std::ptrdiff_t>(begin), text.begin() + static_cast<std::ptrdiff_t>(end), is_decimal);
  };
  return all_decimals(0, point) && (point == text.size() || all_decimals(point + 1, text.size()));
}

bool ends_with_zeros(const std::u32string& whole, std::size_t count) {
  return whole == U"0" || (whole.size() >= count && whole.find_last_not_of(U'0') + count < whole.size());
}

std::u32string add(const std::u32string& a, const std::u32string& b) {
  std::u32string sum;
  char32_t carry = 0;
  for (std::size_t i = 0; i < std::max(a.size(), b.size()) || carry > 0; ++i) {
    const auto figure = [i](const std::u32string& of) { return i < of.size() ? of[of.size() - 1 - i] - U'0' : 0; };
    const char32_t both = figure(a) + figure(b) + carry;
    sum.push_back(U'0' + both % 10);
    carry = both / 10;
  }
  std::reverse(sum.begin(), sum.end());
  return without_leading_zeros(sum);
}

std::u32string multiply_last_thousand(const std::u32string& whole, int zeros) {
  const std::size_t above = whole.size() - std::min<std::size_t>(whole.size(), 3);
  return add(whole.substr(0, above) + U"000", whole.substr(above) + std::u32string(static_cast<std::size_t>(zeros), U'0'));
}

std::optional<std::u32string> times_power_of_ten(const std::u32string& figures, int zeros) {
  std::u32string product;
  std::size_t decimals = 0;
  bool behind_point = false;
  for (const char32_t c : figures) {
    const int value = decimal_value(c);
    if (c == U'.' && !behind_point) {
      behind_point = true;
    } else if (value < 0) {
      return std::nullopt;
    } else {
      product.push_back(U'0' + static_cast<char32_t>(value));
      decimals += behind_point ? 1 : 0;
    }
  }
  if (product.empty()) return std::nullopt;
  for (; decimals > static_cast<std::size_t>(zeros); --decimals) {
    if (product.back() != U'0') return std::nullopt;
    product.pop_back();
  }
  product.append(static_cast<std::size_t>(zeros) - decimals, U'0');
  return without_leading_zeros(product);
}

}  // namespace thaw
