#include "datasets/tokenizers/vocabulary.h"

#include <algorithm>
#include <utility>

#include "framework/base/error.h"

namespace thaw {

Vocabulary::Vocabulary(const JsonView& vocab) {
  if (!vocab.raw().is_object()) vocab.fail("an object of tokens and their ids");
  std::vector<std::pair<std::uint32_t, std::string_view>> entries;
  entries.reserve(vocab.size());
  for (auto entry = vocab.raw().begin(); entry != vocab.raw().end(); ++entry) {
    const Json& value = entry.value();
    // No view for each entry: its path would cost more than all else here.
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT32_MAX)) {
      JsonView(value, vocab.where() + ": " + entry.key()).fail("an id from 0 to 2147483647");
    }
    entries.emplace_back(value.get<std::uint32_t>(), entry.key());
  }
  std::sort(entries.begin(), entries.end());
  for (const auto& [id, token] : entries) {
    if (!ids_.empty() && ids_.back() == id) {
      throw ModelError("{}: expected each id once, found {} twice: the file is damaged, fetch it again", vocab.where(), id);
    }
    ids_.push_back(id);
    texts_.emplace_back(token);
    trie_.insert(token, id);
  }
}

const std::string* Vocabulary::text(std::uint32_t id) const {
  const auto found = std::lower_bound(ids_.begin(), ids_.end(), id);
  return found != ids_.end() && *found == id ? &texts_[static_cast<std::size_t>(found - ids_.begin())] : nullptr;
}

}  // namespace thaw
