#include "framework/tensor/pickle.h"

#include <bit>

#include "framework/base/error.h"

namespace thaw {
namespace {

constexpr std::size_t most_values = 10'000'000;  // a model of 100,000 tensors takes a third of that

}  // namespace

Pickle::Pickle(ByteReader& bytes, const std::set<std::string, std::less<>>& allowed) : bytes_(&bytes), allowed_(&allowed) {
  while (root_ == nullptr) step(bytes.number<unsigned char>());
  stack_.clear();
  memo_.clear();
}

void Pickle::fail(const std::string& what) const {
  throw ModelError("{}: byte {}: {}; the file is damaged, or not one of weights", bytes_->where(), bytes_->at(), what);
}

PickleValue* Pickle::make(PickleValue::Kind kind) {
  if (values_.size() == most_values) fail(fmt::format("more than {} values", most_values));
  PickleValue* const made = &values_.emplace_back();
  made->kind = kind;
  stack_.push_back(made);
  return made;
}

PickleValue* Pickle::pop() {
  if (stack_.empty() || (!marks_.empty() && stack_.size() == marks_.back())) fail("the pickle takes a value that it has not made");
  PickleValue* const top = stack_.back();
  stack_.pop_back();
  return top;
}

std::vector<const PickleValue*> Pickle::pop_mark() {
  if (marks_.empty()) fail("the pickle takes values from a mark that it has not set");
  std::vector<const PickleValue*> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
  stack_.resize(marks_.back());
  marks_.pop_back();
  return items;
}

void Pickle::push_text(std::string_view text) { make(PickleValue::Kind::text)->text = text; }

void Pickle::push_integer(std::int64_t value) { make(PickleValue::Kind::integer)->integer = value; }

// Two's complement, little-endian. Longer ones are kept as text of hexadecimal digits: no weight has them, but PyTorch's mark of its
// older format is one.
void Pickle::push_long() {
  const std::string_view digits = bytes_->take(bytes_->number<unsigned char>());
  if (digits.size() > 8) {
    std::string text = "0x";
    for (std::size_t i = digits.size(); i-- > 0;) text += fmt::format("{:02x}", static_cast<unsigned char>(digits[i]));
    return push_text(text);
  }
  std::uint64_t value = !digits.empty() && static_cast<signed char>(digits.back()) < 0 ? ~std::uint64_t{0} : 0;
  for (std::size_t i = digits.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(digits[i]);
  push_integer(static_cast<std::int64_t>(value));
}

void Pickle::push_global() {
  const std::string module(bytes_->line()), name(bytes_->line());
  const std::string whole = module + "." + name;
  if (!allowed_->contains(whole))
    throw ModelError(
        "{}: {} is not data of a model: refused, nothing was run; where the file is from somebody you trust, load it in Python and save "
        "its "
        "weights as safetensors",
        bytes_->where(), whole);
  make(PickleValue::Kind::global)->text = whole;
}

void Pickle::push_tuple(std::size_t count) {
  std::vector<const PickleValue*> items(count);
  for (std::size_t i = count; i-- > 0;) items[i] = pop();
  make(PickleValue::Kind::tuple)->items = std::move(items);
}

// What Python would call here is only named.
void Pickle::reduce() {
  const PickleValue* const arguments = pop();
  const PickleValue* const callable = pop();
  if (!callable->is(PickleValue::Kind::global) || !arguments->is(PickleValue::Kind::tuple)) fail("a call of what cannot be called");
  PickleValue* const made = make(PickleValue::Kind::object);
  made->text = callable->text;
  made->arguments = arguments;
}

// Appends to the list, dict or object on top of the stack.
void Pickle::extend(std::vector<const PickleValue*> items, bool pairs) {
  PickleValue* const container = pop();
  stack_.push_back(container);
  const bool fits =
      pairs ? container->is(PickleValue::Kind::dict) || container->is(PickleValue::Kind::object) : container->is(PickleValue::Kind::list);
  if (!fits || (pairs && items.size() % 2 != 0)) fail("items for what holds none");
  container->items.insert(container->items.end(), items.begin(), items.end());
}

// Sets attributes of an object. Those of a state dict (its _metadata: versions of modules) say nothing about weights.
void Pickle::build() {
  pop();
  PickleValue* const object = pop();
  if (!object->is_object("collections.OrderedDict")) fail("attributes for what has none");
  stack_.push_back(object);
}

void Pickle::remember(std::uint32_t slot) {
  PickleValue* const top = pop();
  stack_.push_back(top);
  memo_[slot] = top;
}

void Pickle::recall(std::uint32_t slot) {
  const auto found = memo_.find(slot);
  if (found == memo_.end()) fail(fmt::format("the pickle recalls value {}, which it has not kept", slot));
  stack_.push_back(found->second);
}

void Pickle::step(unsigned char instruction) {
  using Kind = PickleValue::Kind;
  switch (instruction) {
    case 0x80: bytes_->take(1); break;                               // PROTO
    case 'N': make(Kind::none); break;                               // NONE
    case 0x88: make(Kind::boolean)->boolean = true; break;           // NEWTRUE
    case 0x89: make(Kind::boolean); break;                           // NEWFALSE
    case 'K': push_integer(bytes_->number<std::uint8_t>()); break;   // BININT1
    case 'M': push_integer(bytes_->number<std::uint16_t>()); break;  // BININT2
    case 'J': push_integer(bytes_->number<std::int32_t>()); break;   // BININT
    case 0x8A: push_long(); break;                                   // LONG1
    case 'G':                                                        // BINFLOAT, big-endian
      make(Kind::real)->real = std::bit_cast<double>(__builtin_bswap64(bytes_->number<std::uint64_t>()));
      break;
    case 'X':                                                                   // BINUNICODE
    case 'T': push_text(bytes_->take(bytes_->number<std::uint32_t>())); break;  // BINSTRING
    case 'U': push_text(bytes_->take(bytes_->number<std::uint8_t>())); break;   // SHORT_BINSTRING
    case '}': make(Kind::dict); break;                                          // EMPTY_DICT
    case ']': make(Kind::list); break;                                          // EMPTY_LIST
    case ')': make(Kind::tuple); break;                                         // EMPTY_TUPLE
    case '(': marks_.push_back(stack_.size()); break;                           // MARK
    case 't': {                                                                 // TUPLE
      std::vector<const PickleValue*> items = pop_mark();
      make(Kind::tuple)->items = std::move(items);
      break;
    }
    case 0x85: push_tuple(1); break;             // TUPLE1
    case 0x86: push_tuple(2); break;             // TUPLE2
    case 0x87: push_tuple(3); break;             // TUPLE3
    case 'a': extend({pop()}, false); break;     // APPEND
    case 'e': extend(pop_mark(), false); break;  // APPENDS
    case 's': {                                  // SETITEM
      const PickleValue* const value = pop();
      extend({pop(), value}, true);
      break;
    }
    case 'u': extend(pop_mark(), true); break;  // SETITEMS
    case 'c': push_global(); break;             // GLOBAL
    case 'R': reduce(); break;                  // REDUCE
    case 'b': build(); break;                   // BUILD
    case 'Q': {                                 // BINPERSID
      const PickleValue* const id = pop();
      make(Kind::persistent)->arguments = id;
      break;
    }
    case 'q': remember(bytes_->number<std::uint8_t>()); break;   // BINPUT
    case 'r': remember(bytes_->number<std::uint32_t>()); break;  // LONG_BINPUT
    case 'h': recall(bytes_->number<std::uint8_t>()); break;     // BINGET
    case 'j': recall(bytes_->number<std::uint32_t>()); break;    // LONG_BINGET
    case '.': root_ = pop(); break;                              // STOP
    default: fail(fmt::format("the pickle's instruction 0x{:02x} is not one that torch.save writes", instruction));
  }
}

}  // namespace thaw
