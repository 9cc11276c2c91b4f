#include "framework/base/json.h"

#include <algorithm>
#include <cmath>

#include "framework/base/error.h"
#include "framework/base/file.h"

namespace thaw {
namespace {

constexpr int max_depth = 200;

std::string brief(const Json& value) {
  std::string text = value.is_discarded() ? "nothing" : value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

// nlohmann parses without recursion limits of its own in callbacks: count brackets before it builds deep values.
void refuse_deep(const std::string& name, std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      else if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > max_depth) throw DataError("{}: nested deeper than {} levels: not a file of this kind", name, max_depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
}

Json parse(const std::string& name, std::string_view text) {
  refuse_deep(name, text);
  try {
    return Json::parse(text.begin(), text.end());
  } catch (const Json::parse_error& error) {
    const std::size_t at = std::min<std::size_t>(error.byte > 0 ? error.byte - 1 : 0, text.size());
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    const std::string reason = error.what();
    const std::size_t colon = reason.find(": ", reason.find("column"));
    throw DataError("{}:{}: not valid JSON{}", name, line, colon == std::string::npos ? "" : reason.substr(colon));
  } catch (const Json::exception& error) {
    throw DataError("{}: not valid JSON: {}", name, error.what());
  }
}

}  // namespace

bool JsonView::has(std::string_view key) const {
  if (!value_->is_object()) return false;
  const auto found = value_->find(std::string(key));
  return found != value_->end() && !found->is_null();
}

JsonView JsonView::operator[](std::string_view key) const {
  if (!value_->is_object()) fail("an object");
  const auto found = value_->find(std::string(key));
  if (found == value_->end()) throw DataError("{}: expected the key '{}', which is missing", where_, key);
  return {*found, where_ + ": " + std::string(key)};
}

JsonView JsonView::operator[](std::size_t index) const {
  if (!value_->is_array()) fail("an array");
  if (index >= value_->size()) throw DataError("{}: expected at least {} elements, found {}", where_, index + 1, value_->size());
  return {(*value_)[index], fmt::format("{}[{}]", where_, index)};
}

std::size_t JsonView::size() const {
  if (!value_->is_structured()) fail("an array or object");
  return value_->size();
}

std::string JsonView::text() const {
  if (!value_->is_string()) fail("a string");
  return value_->get<std::string>();
}

std::int64_t JsonView::integer() const {
  if (value_->is_number_unsigned() && value_->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) fail("a smaller integer");
  if (value_->is_number_integer()) return value_->get<std::int64_t>();
  if (value_->is_number_float()) {
    const double number = value_->get<double>();
    if (number == std::floor(number) && std::abs(number) < 9e15) return static_cast<std::int64_t>(number);
  }
  fail("an integer");
}

double JsonView::number() const {
  if (!value_->is_number()) fail("a number");
  return value_->get<double>();
}

bool JsonView::boolean() const {
  if (!value_->is_boolean()) fail("true or false");
  return value_->get<bool>();
}

std::string JsonView::text_or(std::string_view key, std::string_view otherwise) const {
  return has(key) ? (*this)[key].text() : std::string(otherwise);
}
std::int64_t JsonView::integer_or(std::string_view key, std::int64_t otherwise) const {
  return has(key) ? (*this)[key].integer() : otherwise;
}
double JsonView::number_or(std::string_view key, double otherwise) const { return has(key) ? (*this)[key].number() : otherwise; }
bool JsonView::boolean_or(std::string_view key, bool otherwise) const { return has(key) ? (*this)[key].boolean() : otherwise; }

void JsonView::fail(std::string_view expected) const { throw DataError("{}: expected {}, found {}", where_, expected, brief(*value_)); }

JsonFile::JsonFile(const std::filesystem::path& path) : name_(path.string()), value_(parse(name_, read_file(path))) {}
JsonFile::JsonFile(std::string name, std::string_view text) : name_(std::move(name)), value_(parse(name_, text)) {}

}  // namespace thaw
