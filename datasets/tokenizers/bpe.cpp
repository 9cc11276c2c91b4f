#include "datasets/tokenizers/bpe.h"

#include <algorithm>
#include <bit>
#include <queue>
#include <string>

#include "datasets/tokenizers/byte_level.h"
#include "datasets/tokenizers/utf8.h"
#include "framework/base/error.h"

namespace thaw {
namespace {

// Longer words go through a heap: looking through all pairs for each merge takes quadratic time.
constexpr std::size_t short_word = 64;

void expect_plain(const JsonView& model, std::string_view key) {
  if (model.has(key) && !model[key].text().empty()) model[key].fail("nothing: byte-level models have none");
}

}  // namespace

Bpe::Bpe(const JsonView& model) : vocabulary_(model["vocab"]), whole_(vocabulary_.ids().size()) {
  expect_plain(model, "continuing_subword_prefix");
  expect_plain(model, "end_of_word_suffix");
  if (model.has("dropout") && model["dropout"].number() != 0) model["dropout"].fail("null: the same text must always give the same ids");
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::string entry;
    append_utf8(entry, byte_level::character_of(static_cast<unsigned char>(byte)));
    const auto id = vocabulary_.find(entry);
    if (!id) model["vocab"].fail(fmt::format("an entry '{}' for byte {}, as every byte-level vocabulary has", entry, byte));
    of_byte_[byte] = *id;
  }
  read_merges(model["merges"]);
  // With ignore_merges every entry that a word is equal to stands for it, else those that the merges lead to.
  const bool ignore_merges = model.boolean_or("ignore_merges", false);
  std::vector<std::uint32_t> ids;
  for (std::size_t i = 0; i < vocabulary_.ids().size(); ++i) {
    const std::optional<std::string> bytes = byte_level::bytes_of(vocabulary_.texts()[i]);
    if (!bytes || bytes->empty()) continue;
    ids.clear();
    if (!ignore_merges) encode(*bytes, ids);
    if (ignore_merges || (ids.size() == 1 && ids[0] == vocabulary_.ids()[i])) keep_whole(*bytes, vocabulary_.ids()[i]);
  }
}

void Bpe::keep_whole(std::string_view word, std::uint32_t id) {
  if (word.size() <= ShortWords::longest) whole_.insert(word, id);
  else whole_long_.insert(word, id);
}

void Bpe::read_merges(const JsonView& merges) {
  if (!merges.raw().is_array()) merges.fail("a list of pairs");
  const std::size_t slots = std::bit_ceil(std::max<std::size_t>(merges.size() * 2, 2));
  merges_.assign(slots, {no_pair, no_rank, 0});
  shift_ = 64 - std::countr_zero(slots);
  std::uint32_t rank = 0;
  for (const Json& pair : merges.raw()) {
    const bool two = pair.is_array() && pair.size() == 2 && pair[0].is_string() && pair[1].is_string();
    if (two) {
      add_merge(merges, pair[0].get_ref<const std::string&>(), pair[1].get_ref<const std::string&>(), rank++);
      continue;
    }
    const std::string_view text = pair.is_string() ? std::string_view(pair.get_ref<const std::string&>()) : "";
    const std::size_t blank = text.find(' ');
    if (blank == std::string_view::npos || text.find(' ', blank + 1) != std::string_view::npos)
      JsonView(pair, fmt::format("{}[{}]", merges.where(), rank)).fail("two entries, set apart by a blank");
    add_merge(merges, text.substr(0, blank), text.substr(blank + 1), rank++);
  }
}

// Of a pair that is there twice, the later one counts, as in `tokenizers`.
void Bpe::add_merge(const JsonView& where, std::string_view left, std::string_view right, std::uint32_t rank) {
  const auto id_of = [&](const std::string& entry) {
    const auto id = vocabulary_.find(entry);
    if (!id) throw ModelError("{}[{}]: expected entries of the vocabulary, found '{}', which it does not have", where.where(), rank, entry);
    return *id;
  };
  const std::uint64_t pair = static_cast<std::uint64_t>(id_of(std::string(left))) << 32 | id_of(std::string(right));
  std::size_t at = slot(pair);
  while (merges_[at].pair != no_pair && merges_[at].pair != pair) at = (at + 1) & (merges_.size() - 1);
  merges_[at] = {pair, rank, id_of(fmt::format("{}{}", left, right))};
}

const Bpe::Merge& Bpe::merge(std::uint32_t left, std::uint32_t right) const {
  const std::uint64_t pair = static_cast<std::uint64_t>(left) << 32 | right;
  std::size_t at = slot(pair);
  while (merges_[at].pair != pair && merges_[at].pair != no_pair) at = (at + 1) & (merges_.size() - 1);
  return merges_[at];
}

void Bpe::encode(std::string_view word, std::vector<std::uint32_t>& ids) const {
  if (word.empty()) return;
  if (const auto whole = word.size() <= ShortWords::longest ? whole_.find(word) : whole_long_.find(word)) ids.push_back(*whole);
  else if (word.size() <= short_word) merge_short(word, ids);
  else merge_long(word, ids);
}

void Bpe::merge_short(std::string_view word, std::vector<std::uint32_t>& ids) const {
  std::array<std::uint32_t, short_word> symbols;
  std::array<const Merge*, short_word> with_next;  // of each symbol but the last
  std::size_t count = word.size();
  for (std::size_t i = 0; i < count; ++i) symbols[i] = of_byte_[static_cast<unsigned char>(word[i])];
  for (std::size_t i = 0; i + 1 < count; ++i) with_next[i] = &merge(symbols[i], symbols[i + 1]);
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i)
      if (with_next[i]->rank < with_next[best]->rank) best = i;
    if (with_next[best]->rank == no_rank) break;
    symbols[best] = with_next[best]->id;
    --count;
    std::move(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 2, symbols.begin() + static_cast<std::ptrdiff_t>(count) + 1,
              symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    if (best + 1 < count) {
      std::move(with_next.begin() + static_cast<std::ptrdiff_t>(best) + 2, with_next.begin() + static_cast<std::ptrdiff_t>(count),
                with_next.begin() + static_cast<std::ptrdiff_t>(best) + 1);
      with_next[best] = &merge(symbols[best], symbols[best + 1]);
    }
    if (best > 0) with_next[best - 1] = &merge(symbols[best - 1], symbols[best]);
  }
  ids.insert(ids.end(), symbols.begin(), symbols.begin() + static_cast<std::ptrdiff_t>(count));
}

void Bpe::merge_long(std::string_view word, std::vector<std::uint32_t>& ids) const {
  constexpr std::uint32_t nowhere = ~0u, gone = ~0u;
  struct Symbol {
    std::uint32_t id, before, after;
  };
  struct Candidate {
    std::uint32_t rank, place;
    std::uint64_t pair;
    bool operator>(const Candidate& other) const { return rank != other.rank ? rank > other.rank : place > other.place; }
  };
  const auto size = static_cast<std::uint32_t>(word.size());
  std::vector<Symbol> symbols(size);
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto consider = [&](std::uint32_t left) {
    if (left == nowhere || symbols[left].after == nowhere) return;
    const Merge& found = merge(symbols[left].id, symbols[symbols[left].after].id);
    if (found.rank != no_rank) queue.push({found.rank, left, found.pair});
  };
  for (std::uint32_t i = 0; i < size; ++i)
    symbols[i] = {of_byte_[static_cast<unsigned char>(word[i])], i == 0 ? nowhere : i - 1, i + 1 == size ? nowhere : i + 1};
  for (std::uint32_t i = 0; i < size; ++i) consider(i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbols[best.place];
    if (left.id == gone || left.after == nowhere) continue;
    const std::uint32_t place = left.after;
    // One of the two has become part of another symbol since.
    if ((static_cast<std::uint64_t>(left.id) << 32 | symbols[place].id) != best.pair) continue;
    left.id = merge(left.id, symbols[place].id).id;
    left.after = symbols[place].after;
    symbols[place].id = gone;
    if (left.after != nowhere) symbols[left.after].before = best.place;
    consider(left.before);
    consider(best.place);
  }
  for (const Symbol& symbol : symbols)
    if (symbol.id != gone) ids.push_back(symbol.id);
}

}  // namespace thaw
