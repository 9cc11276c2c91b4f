// A pickle, read as data: what it would call is written down, and nothing is called. Only the instructions that torch.save writes
// (protocol 2) are known, and only the globals that the caller allows; any other is a ModelError that names it.
// Format: Python's pickletools; the same choice of instructions as torch.load(weights_only=True).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "framework/tensor/byte_reader.h"

namespace thaw {

// Values refer to others of the same Pickle, which owns them; one may be referred to many times, and even by itself.
struct PickleValue {
  enum class Kind { none, boolean, integer, real, text, list, tuple, dict, global, object, persistent } kind = Kind::none;
  bool boolean = false;
  std::int64_t integer = 0;
  double real = 0;
  std::string text;                        // of a text; "module.name" of a global, and of an object what would make it
  std::vector<const PickleValue*> items;   // of a list or tuple; of a dict, and an object that is one, keys and values in turn
  const PickleValue* arguments = nullptr;  // of an object: a tuple; of a persistent value: its id

  bool is(Kind wanted) const { return kind == wanted; }
  bool is_object(std::string_view of) const { return kind == Kind::object && text == of; }
};

class Pickle {
 public:
  // Reads one pickle, from where `bytes` stands to its STOP.
  Pickle(ByteReader& bytes, const std::set<std::string, std::less<>>& allowed);
  const PickleValue& root() const { return *root_; }

 private:
  PickleValue* make(PickleValue::Kind kind);
  PickleValue* pop();
  std::vector<const PickleValue*> pop_mark();
  void step(unsigned char instruction);
  void push_text(std::string_view text);
  void push_integer(std::int64_t value);
  void push_long();
  void push_global();
  void push_tuple(std::size_t count);
  void reduce();
  void extend(std::vector<const PickleValue*> items, bool pairs);
  void build();
  void remember(std::uint32_t slot);
  void recall(std::uint32_t slot);
  [[noreturn]] void fail(const std::string& what) const;

  ByteReader* bytes_;
  const std::set<std::string, std::less<>>* allowed_;
  std::deque<PickleValue> values_;
  std::vector<PickleValue*> stack_;
  std::vector<std::size_t> marks_;  // sizes of the stack
  std::map<std::uint32_t, PickleValue*> memo_;
  const PickleValue* root_ = nullptr;
};

}  // namespace thaw
