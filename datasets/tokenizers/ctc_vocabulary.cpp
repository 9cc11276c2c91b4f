#include "datasets/tokenizers/ctc_vocabulary.h"

#include <algorithm>

#include "datasets/tokenizers/ctc_vocabulary_files.h"
#include "datasets/tokenizers/python_text.h"
#include "datasets/tokenizers/utf8.h"
#include "framework/base/error.h"
#include "framework/base/hash.h"

namespace thaw {
namespace {

std::string fingerprint_of(const CtcSettings& settings) {
  Json added = Json::array(), special = Json::array();
  for (const auto& [id, token] : settings.added) added.push_back({id, token.content, token.lstrip, token.rstrip});
  for (const CtcAddedToken& token : settings.special) special.push_back({token.content, token.lstrip, token.rstrip});
  const Json all = {settings.vocabulary,   added, special, settings.pad_token, settings.unknown_token, settings.delimiter_token,
                    settings.do_lower_case};
  return hash_hex("ctc " + all.dump());
}

bool is_one_character(std::string_view text) {
  std::size_t at = 0;
  if (!text.empty()) next_code_point(text, at);
  return at == text.size();
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + with.size())) text.replace(at, what.size(), with);
}

// transformers' clean_up_tokenization, for settings that older versions wrote.
std::string clean_up(std::string text) {
  constexpr std::pair<const char*, const char*> changes[] = {{" .", "."},     {" ?", "?"},     {" !", "!"},   {" ,", ","},
                                                             {" ' ", "'"},    {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"},
                                                             {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [what, with] : changes) replace_all(text, what, with);
  return text;
}

}  // namespace

CtcVocabulary::CtcVocabulary(CtcSettings settings)
    : Tokenizer(fingerprint_of(settings)),
      ids_(settings.vocabulary.begin(), settings.vocabulary.end()),
      pad_token_(settings.pad_token),
      unknown_token_(settings.unknown_token),
      delimiter_token_(settings.delimiter_token),
      delimiter_shown_(settings.delimiter_shown),
      upper_(settings.do_lower_case),
      clean_up_(settings.clean_up_spaces) {
  // Ids in transformers' order: those of the files; special tokens that have none, behind them; then tokens of several
  // characters once more, since all of the vocabulary's take white space away at both sides.
  std::map<std::string, std::uint32_t> all = settings.vocabulary;
  const auto keep_whole = [this](const CtcAddedToken& token, std::uint32_t id) {
    if (token.content.empty()) return;
    whole_tokens_.insert(token.content, id);
    strips_[id] = {token.lstrip, token.rstrip};
    tokens_[id] = token.content;
  };
  for (const auto& [id, token] : settings.added) all[token.content] = id, keep_whole(token, id);
  for (const CtcAddedToken& token : settings.special) {
    const auto added_before = [&](const auto& added) { return added.second.content == token.content; };
    if (std::any_of(settings.added.begin(), settings.added.end(), added_before)) continue;
    keep_whole(token, all.try_emplace(token.content, static_cast<std::uint32_t>(all.size())).first->second);
  }
  for (const auto& [token, id] : settings.vocabulary) {
    if (!is_one_character(token)) keep_whole({token, true, true}, all[token]);
  }
  for (const auto& [token, id] : settings.vocabulary) tokens_[id] = token;  // these go before added ones of the same id
  for (const auto& [token, id] : all) size_ = std::max(size_, std::size_t{id} + 1);
  blank_ = all.at(pad_token_);
  delimiter_ = all.at(delimiter_token_);
  if (const auto found = ids_.find(unknown_token_); found != ids_.end()) unknown_ = found->second;
}

std::optional<std::uint32_t> CtcVocabulary::token_id(std::string_view token) const {
  if (const auto whole = whole_tokens_.find(token)) return whole;
  const auto found = ids_.find(token);
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<CtcVocabulary::Piece> CtcVocabulary::split(std::string_view text) const {
  std::vector<Piece> pieces;
  std::size_t begin = 0;
  const auto between = [&](std::size_t end) {
    if (end > begin) pieces.push_back({text.substr(begin, end - begin), std::nullopt});
  };
  for (std::size_t at = 0; at < text.size();) {
    const auto match = whole_tokens_.longest_prefix(text.substr(at));
    if (!match) {
      next_code_point(text, at);
      continue;
    }
    between(at);
    pieces.push_back({text.substr(at, match->length), match->value});
    begin = at += match->length;
  }
  between(text.size());
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].id) continue;
    if (i > 0 && pieces[i - 1].id && strips_.at(*pieces[i - 1].id).second) pieces[i].text = strip_left(pieces[i].text);
    if (i + 1 < pieces.size() && strips_.at(*pieces[i + 1].id).first) pieces[i].text = strip_right(pieces[i].text);
  }
  return pieces;
}

template <typename Spell, typename Miss>
void CtcVocabulary::each_label(std::string_view text, const Spell& spell, const Miss& miss) const {
  const std::string repaired = is_utf8(text) ? std::string(text) : repair_utf8(text);
  for (const Piece& piece : split(repaired)) {
    if (piece.id) {
      if (!spell(*piece.id)) return;
      continue;
    }
    const std::string characters = upper_ ? upper_case(piece.text) : std::string(piece.text);
    for (std::size_t at = 0; at < characters.size();) {
      const std::size_t begin = at;
      next_code_point(characters, at);
      const std::string_view one(characters.data() + begin, at - begin);
      const auto id = one == " " ? std::optional(delimiter_) : token_id(one);
      if (!(id ? spell(*id) : miss(one))) return;
    }
  }
}

Encoding CtcVocabulary::encode(std::string_view text, std::optional<std::string_view> pair, std::size_t max_length) const {
  if (pair) throw DataError("a CTC vocabulary spells one transcript: expected no second text");
  Encoding encoding;
  const auto spell = [&](std::uint32_t id) {
    encoding.truncated = max_length > 0 && encoding.ids.size() == max_length;
    if (!encoding.truncated) encoding.ids.push_back(id);
    return !encoding.truncated;
  };
  each_label(text, spell, [&](std::string_view character) {
    if (!unknown_)
      throw DataError(
          "the vocabulary cannot spell \"{}\", and its unknown token \"{}\" has no id in vocab.json: take the character out of the text, "
          "or add either",
          character, unknown_token_);
    return spell(*unknown_);
  });
  encoding.second_start = static_cast<std::uint32_t>(encoding.ids.size());
  return encoding;
}

std::vector<std::string> CtcVocabulary::unspellable(std::string_view text) const {
  std::vector<std::string> missing;
  each_label(
      text, [](std::uint32_t) { return true; },
      [&](std::string_view character) {
        if (std::find(missing.begin(), missing.end(), character) == missing.end()) missing.emplace_back(character);
        return true;
      });
  return missing;
}

const std::string& CtcVocabulary::token(std::int64_t id) const {
  if (id < 0 || id > UINT32_MAX) return unknown_token_;
  const auto found = tokens_.find(static_cast<std::uint32_t>(id));
  return found == tokens_.end() ? unknown_token_ : found->second;
}

std::string CtcVocabulary::shown(const std::string& token) const { return token == delimiter_token_ ? delimiter_shown_ : token; }

std::string CtcVocabulary::decode_bytes(std::span<const std::uint32_t> ids, bool) const {
  return decode_labels(std::vector<std::int64_t>(ids.begin(), ids.end()), false);
}

std::string CtcVocabulary::decode_labels(std::span<const std::int64_t> ids, bool collapse) const {
  std::string text;
  const std::string* before = nullptr;
  for (const std::int64_t id : ids) {
    const std::string& one = token(id);
    if (one != pad_token_ && !(collapse && before != nullptr && *before == one)) text += shown(one);
    before = &one;
  }
  text = strip_right(strip_left(text));
  if (upper_) text = lower_case(text);
  return clean_up_ ? clean_up(std::move(text)) : text;
}

std::vector<CtcVocabulary::Word> CtcVocabulary::words(std::span<const std::int64_t> frames) const {
  std::vector<Word> words;
  bool in_word = false;
  for (std::size_t begin = 0, end = 0; begin < frames.size(); begin = end) {
    const std::string& one = token(frames[begin]);
    for (end = begin + 1; end < frames.size() && token(frames[end]) == one;) ++end;
    if (one == pad_token_) continue;
    const std::string text = shown(one);
    if (text == delimiter_shown_) {
      in_word = false;
      continue;
    }
    if (!in_word) words.push_back({"", begin, end});
    in_word = true;
    words.back().text += text;
    words.back().end = end;
  }
  if (upper_)
    for (Word& word : words) word.text = lower_case(word.text);
  return words;
}

std::unique_ptr<CtcVocabulary> load_ctc_vocabulary(const std::filesystem::path& model_directory) {
  return std::make_unique<CtcVocabulary>(read_ctc_settings(model_directory));
}

}  // namespace thaw
