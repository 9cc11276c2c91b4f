// Regular expressions (ECMAScript's, without back-references) that a recipe or a schedule gives for names, such as parameters'.
// They are a stranger's: a match takes time and stack in proportion to expression and name, whatever the expression is.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

namespace thaw {

class BadExpression : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;  // the reason
};

class Expression {
 public:
  explicit Expression(const std::string& text);  // BadExpression
  ~Expression();
  bool is_in(const std::string& name) const;   // somewhere
  bool begins(const std::string& name) const;  // from the name's first letter, as Python's re.match

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace thaw
