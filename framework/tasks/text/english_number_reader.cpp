#include "framework/tasks/text/english_number_reader.h"

#include <optional>
#include <utility>

#include "framework/tasks/text/decimal.h"
#include "framework/tasks/text/english_number_words.h"

namespace thaw {
namespace {

using Text = std::u32string;
using Kind = NumberWord::Kind;

bool is_prefix(char32_t c) { return Text(U"-+£€$¢").find(c) != Text::npos; }

// A number as far as it was read: a whole one, with which is counted on, or a text of figures, to which figures are added.
struct Number {
  bool whole = true;
  Text figures;  // of a whole one: decimal, without leading zeros

  Text text_or_nothing() const { return whole && figures == U"0" ? Text() : figures; }  // Python's str(value or "")
};

class Reader {
 public:
  explicit Reader(const std::vector<Text>& words) : words_(words) {}

  std::vector<Text> read() {
    for (at_ = 0; at_ < words_.size(); ++at_) {
      if (const Text figures = without_prefix(); is_number(figures)) read_figures(figures);
      else if (const NumberWord* meaning = find_number_word(&words_[at_])) read_word(*meaning);
      else flush(), put(words_[at_]);
    }
    flush();
    return std::move(out_);
  }

 private:
  const Text& word() const { return words_[at_]; }
  const Text* previous() const { return at_ > 0 ? &words_[at_ - 1] : nullptr; }
  const Text* next() const { return at_ + 1 < words_.size() ? &words_[at_ + 1] : nullptr; }
  Text without_prefix() const { return is_prefix(word().front()) ? word().substr(1) : word(); }
  bool number_follows() const { return next() != nullptr && is_number(*next()); }

  // Writes `result` behind the sign or currency that was read before it.
  void put(const Text& result) {
    out_.push_back(prefix_ + result);
    prefix_.clear();
    value_.reset();
  }
  void flush() {
    if (value_) put(Text(value_->figures));
  }

  void read_figures(const Text& figures) {
    if (value_ && !value_->whole && value_->figures.ends_with(U'.')) {  // decimals, parts of an address
      value_->figures += word();
      return;
    }
    flush();
    if (is_prefix(word().front())) prefix_ = word().front();
    const auto whole = times_power_of_ten(figures, 0);
    value_ = whole ? Number{true, *whole} : Number{false, figures};
  }

  void read_word(const NumberWord& meaning) {
    switch (meaning.kind) {
      case Kind::zero: value_ = Number{false, (value_ ? value_->text_or_nothing() : Text()) + U"0"}; break;
      case Kind::one:
      case Kind::ten: value_ = with(meaning); break;
      case Kind::one_suffixed:
      case Kind::ten_suffixed: put(with(meaning).figures + meaning.text); break;
      case Kind::power: read_power(meaning); break;
      case Kind::power_suffixed: read_power_suffixed(meaning); break;
      case Kind::sign: read_sign(meaning); break;
      case Kind::unit:
        if (value_) prefix_ = meaning.text;
        if (value_) flush();
        else put(word());
        break;
      case Kind::percent: read_percent(); break;
      case Kind::special: read_special(); break;
    }
  }

  // The number so far and a one or a ten more: added where there is room ("twenty" and "five"), else put behind it.
  Number with(const NumberWord& meaning) const {
    const Text added = decimal(meaning.number);
    if (!value_) return {true, added};
    const bool is_ten = meaning.kind == Kind::ten || meaning.kind == Kind::ten_suffixed;
    if (!is_ten && (!value_->whole || is(find_number_word(previous()), Kind::one))) {
      // "one oh twenty five": the figures' last zero is the ten's
      const bool takes_zero = is(find_number_word(previous()), Kind::ten) && meaning.number < 10 && value_->figures.ends_with(U'0');
      return {false, (takes_zero ? value_->figures.substr(0, value_->figures.size() - 1) : value_->figures) + added};
    }
    const std::size_t room = is_ten || meaning.number >= 10 ? 2 : 1;
    if (!value_->whole || !ends_with_zeros(value_->figures, room)) return {false, value_->figures + added};
    return {true, add(value_->figures, added)};
  }

  void read_power(const NumberWord& meaning) {
    if (!value_) {
      value_ = Number{true, power_of_ten(meaning.number)};
    } else if (!value_->whole || value_->figures == U"0") {
      if (const auto product = times_power_of_ten(value_->figures, meaning.number)) {
        value_ = Number{true, *product};
      } else {
        flush();
        value_ = Number{true, power_of_ten(meaning.number)};
      }
    } else {
      value_->figures = multiply_last_thousand(value_->figures, meaning.number);
    }
  }

  void read_power_suffixed(const NumberWord& meaning) {
    if (value_ && value_->whole) return put(multiply_last_thousand(value_->figures, meaning.number) + meaning.text);
    const auto product = value_ ? times_power_of_ten(value_->figures, meaning.number) : std::nullopt;
    if (product) return put(*product + meaning.text);
    flush();
    put(power_of_ten(meaning.number) + meaning.text);
  }

  void read_sign(const NumberWord& meaning) {
    flush();
    if (find_number_word(next()) != nullptr || number_follows()) prefix_ = meaning.text;
    else put(word());
  }

  void read_percent() {
    if (!value_) return put(word());
    if (word() == U"percent") return put(value_->figures + U"%");
    if (next() != nullptr && *next() == U"cent") {
      put(value_->figures + U"%");
      ++at_;
      return;
    }
    flush();
    put(word());
  }

  void read_special() {
    const NumberWord* const after = find_number_word(next());
    if (after == nullptr && !number_follows()) return flush(), put(word());
    if (word() == U"and") {  // nothing in "one hundred and one"
      if (!is(find_number_word(previous()), Kind::power)) flush(), put(word());
    } else if (word() == U"point") {
      if (is(after, Kind::one) || is(after, Kind::ten) || is(after, Kind::zero) || number_follows())
        value_ = Number{false, (value_ ? value_->text_or_nothing() : Text()) + U"."};
    } else if (is(after, Kind::one) || is(after, Kind::zero)) {
      Text figures = value_ ? value_->text_or_nothing() : Text();
      for (int i = word() == U"double" ? 2 : 3; i > 0; --i) figures += decimal(after->number);
      value_ = Number{false, figures};
      ++at_;
    } else {
      flush();
      put(word());
    }
  }

  const std::vector<Text>& words_;
  std::size_t at_ = 0;
  Text prefix_;
  std::optional<Number> value_;
  std::vector<Text> out_;
};

}  // namespace

std::vector<std::u32string> read_english_numbers(const std::vector<std::u32string>& words) { return Reader(words).read(); }

}  // namespace thaw
