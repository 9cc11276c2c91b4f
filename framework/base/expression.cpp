// libstdc++ compiles into a graph and walks it recursively: a{30000} would fill the stack. Names need no large graphs.
#define _GLIBCXX_REGEX_STATE_LIMIT 2000
#include "framework/base/expression.h"

#include <regex>

namespace thaw {
namespace {

constexpr std::size_t max_bytes = 1000, max_digits = 9;

// Without backtracking, for which (a*)*b takes for ever: libstdc++'s own option. It refuses back-references.
constexpr auto grammar = std::regex_constants::ECMAScript
#ifdef __GLIBCXX__
                         | std::regex_constants::__polynomial
#endif
    ;

// libstdc++ lets the number in a{9…} and \9… overflow.
bool has_huge_number(const std::string& text) {
  std::size_t digits = 0;
  for (const char c : text) {
    digits = c >= '0' && c <= '9' ? digits + 1 : 0;
    if (digits > max_digits) return true;
  }
  return false;
}

std::regex compile(const std::string& text) {
  if (text.size() > max_bytes) throw BadExpression("it is longer than 1000 bytes");
  if (has_huge_number(text)) throw BadExpression("it has a number of more than 9 digits");
  try {
    return std::regex(text, grammar);
  } catch (const std::regex_error& error) {
    if (error.code() == std::regex_constants::error_space) throw BadExpression("it repeats too much: write it shorter");
    throw BadExpression(error.what());
  }
}

}  // namespace

struct Expression::Compiled {
  std::regex regex;
};

Expression::Expression(const std::string& text) : compiled_(new Compiled{compile(text)}) {}
Expression::~Expression() = default;

bool Expression::is_in(const std::string& name) const { return std::regex_search(name, compiled_->regex); }
bool Expression::begins(const std::string& name) const {
  return std::regex_search(name, compiled_->regex, std::regex_constants::match_continuous);
}

}  // namespace thaw
