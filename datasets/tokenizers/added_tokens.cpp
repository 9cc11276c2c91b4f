#include "datasets/tokenizers/added_tokens.h"

#include <algorithm>

#include "datasets/tokenizers/unicode.h"
#include "datasets/tokenizers/utf8.h"
#include "framework/base/error.h"

namespace thaw {
namespace {

std::uint8_t first_flags(std::string_view text) {
  std::size_t at = 0;
  return text.empty() ? 0 : unicode::flags(next_code_point(text, at));
}

// Where the last character of a text that is not empty starts.
std::size_t last_start(std::string_view text) {
  std::size_t at = text.size() - 1;
  while ((text[at] & 0xC0) == 0x80) --at;
  return at;
}

}  // namespace

void AddedTokens::Finder::add(const Token& token, std::string_view pattern) {
  // Two tokens with one normal form: the first counts (`tokenizers` takes either, by chance).
  if (!patterns.insert(pattern, static_cast<std::uint32_t>(tokens.size()))) return;
  tokens.push_back(token);
  starts[static_cast<unsigned char>(pattern.front())] = true;
}

AddedTokens::AddedTokens(const JsonView& settings, const Vocabulary& vocabulary, const Normalizer& normalizer) {
  if (settings.raw().is_null()) return;
  if (!settings.raw().is_array()) settings.fail("a list of tokens");
  // tokenizers numbers from the count of entries, whatever ids they have, so that gaps would make it give an id twice.
  const std::uint32_t count = static_cast<std::uint32_t>(vocabulary.ids().size());
  std::uint32_t next = count;
  std::vector<Token> tokens;
  for (std::size_t i = 0; i < settings.size(); ++i) {
    const JsonView entry = settings[i];
    Token token{.content = entry["content"].text(),
                .id = 0,
                .single_word = entry["single_word"].boolean(),
                .lstrip = entry["lstrip"].boolean(),
                .rstrip = entry["rstrip"].boolean(),
                .normalized = entry["normalized"].boolean(),
                .special = entry["special"].boolean()};
    if (token.content.empty()) continue;
    const auto known = vocabulary.find(token.content);
    const auto earlier = ids_.find(token.content);
    token.id = known ? *known : earlier ? *earlier : next;
    if (earlier) {
      if (std::find(tokens.begin(), tokens.end(), token) == tokens.end()) {
        throw ModelError("{}: \"{}\" is there twice with different settings: keep one", entry.where(), token.content);
      }
      continue;
    }
    if (entry["id"].integer() != token.id) {
      throw ModelError("{}: expected the id {} for \"{}\", which is {}, found {}", entry["id"].where(), token.id, token.content,
                       known ? "its place in the vocabulary" : "the next behind the vocabulary", entry["id"].integer());
    }
    if (!known) {
      if (std::binary_search(vocabulary.ids().begin(), vocabulary.ids().end(), next)) {
        throw ModelError("{}: the id {} of \"{}\" belongs to an entry of the vocabulary, which has gaps: add the token to the vocabulary",
                         entry.where(), next, token.content);
      }
      new_ids_.push_back(next++);
    }
    ids_.insert(token.content, token.id);
    contents_[token.id] = {token.content, token.special};
    tokens.push_back(std::move(token));
  }
  std::stable_partition(tokens.begin(), tokens.end(), [](const Token& token) { return token.special; });
  for (const Token& token : tokens) {
    const std::string pattern = token.normalized ? normalizer.apply(token.content) : token.content;
    if (pattern.empty()) {
      throw ModelError(
          "{}: nothing is left of \"{}\" after normalisation, so that it would stand everywhere: set its \"normalized\" to false",
          settings.where(), token.content);
    }
    finders_[token.normalized ? normalized : raw].add(token, pattern);
  }
}

const AddedTokens::Content* AddedTokens::content(std::uint32_t id) const {
  const auto found = contents_.find(id);
  return found == contents_.end() ? nullptr : &found->second;
}

void AddedTokens::split(Pass pass, std::string_view text, std::vector<Piece>& pieces) const {
  const Finder& finder = finders_[pass];
  pieces.clear();
  std::size_t done = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (!finder.starts[static_cast<unsigned char>(text[i])]) {
      ++i;
      continue;
    }
    const auto match = finder.patterns.longest_prefix(text.substr(i));
    if (!match) {
      ++i;
      continue;
    }
    std::size_t start = i, stop = i + match->length;
    i = stop;
    const Token& token = finder.tokens[match->value];
    if (token.single_word) {
      const bool word_before = start > 0 && (first_flags(text.substr(last_start(text.substr(0, start)))) & unicode::word);
      if (word_before || (first_flags(text.substr(stop)) & unicode::word)) continue;
    }
    if (token.lstrip) {
      while (start > done) {
        const std::size_t before = last_start(text.substr(0, start));
        if (!(first_flags(text.substr(before)) & unicode::white_space)) break;
        start = before;
      }
    }
    if (token.rstrip) {
      while (first_flags(text.substr(stop)) & unicode::white_space) next_code_point(text, stop);
    }
    if (done < start) pieces.push_back({text.substr(done, start - done), std::nullopt});
    pieces.push_back({text.substr(start, stop - start), token.id});
    done = stop;
  }
  if (done < text.size()) pieces.push_back({text.substr(done), std::nullopt});
}

}  // namespace thaw
