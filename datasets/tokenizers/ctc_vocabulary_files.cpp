#include "datasets/tokenizers/ctc_vocabulary_files.h"

#include <algorithm>
#include <set>

#include "datasets/tokenizers/utf8.h"
#include "framework/base/error.h"
#include "framework/base/file.h"

namespace thaw {
namespace {

JsonFile read_or_empty(const fs::path& path) {
  JsonFile file = fs::exists(path) ? JsonFile(path) : JsonFile(path.string(), "{}");
  if (!file.raw().is_object()) file.view().fail("an object");
  return file;
}

std::uint32_t id_of(const JsonView& value) {
  const std::int64_t id = value.integer();
  if (id < 0 || id >= UINT32_MAX) value.fail("an id from 0 to 4294967294");
  return static_cast<std::uint32_t>(id);
}

// vocab.json; with several languages in one, the part of `target_lang`.
void read_vocabulary(const JsonView& file, const std::optional<std::string>& language, CtcSettings& settings) {
  const JsonView vocabulary = language ? file[*language] : file;
  if (!vocabulary.raw().is_object()) vocabulary.fail("an object of tokens and ids");
  std::set<std::uint32_t> seen;
  for (const auto& [token, id] : vocabulary.raw().items()) {
    const JsonView value(id, vocabulary.where() + ": " + token);
    if (id.is_object()) value.fail("an id (tokenizer_config.json's target_lang chooses one of several languages)");
    const std::uint32_t number = id_of(value);
    if (!seen.insert(number).second) value.fail("an id that no other token has");
    settings.vocabulary[token] = number;
  }
}

// A token is a string, or an object with its content and settings.
CtcAddedToken token_of(const JsonView& value) {
  if (!value.raw().is_object()) return {value.text()};
  if (value.boolean_or("single_word", false)) value["single_word"].fail("false: tokens that are whole words alone are not supported");
  return {value["content"].text(), value.boolean_or("lstrip", false), value.boolean_or("rstrip", false)};
}

// Where transformers takes a setting from: special_tokens_map.json goes before tokenizer_config.json, but does not count
// where that has an added_tokens_decoder (files of newer versions).
class Sources {
 public:
  Sources(const JsonView& config, const JsonView& special_map)
      : config_(config), special_map_(special_map), legacy_(!config.has("added_tokens_decoder")) {}

  bool legacy() const { return legacy_; }
  const JsonView& source(std::string_view key) const { return legacy_ && special_map_.raw().contains(key) ? special_map_ : config_; }
  // Nothing where the file says null; `usual` where it says nothing.
  std::optional<CtcAddedToken> token(std::string_view key, std::string_view usual) const {
    const JsonView& from = source(key);
    if (from.has(key)) return token_of(from[key]);
    return from.raw().contains(key) || usual.empty() ? std::nullopt : std::optional(CtcAddedToken{std::string(usual)});
  }

 private:
  JsonView config_, special_map_;
  bool legacy_;
};

void read_added(const JsonView& config, const fs::path& added_path, CtcSettings& settings) {
  if (config.has("added_tokens_decoder")) {
    const JsonView decoder = config["added_tokens_decoder"];
    if (!decoder.raw().is_object()) decoder.fail("an object of ids and tokens");
    for (const auto& [id, token] : decoder.raw().items()) {
      const JsonView value(token, decoder.where() + ": " + id);
      if (id.empty() || id.size() > 9 || id.find_first_not_of("0123456789") != id.npos) value.fail("an id as its key");
      settings.added[static_cast<std::uint32_t>(std::stoul(id))] = token_of(value);
    }
    return;
  }
  const JsonFile added = read_or_empty(added_path);
  for (const auto& [token, id] : added.raw().items()) settings.added[id_of(JsonView(id, added_path.string() + ": " + token))] = {token};
}

void read_special(const Sources& sources, CtcSettings& settings) {
  constexpr std::pair<const char*, const char*> named[] = {{"bos_token", "<s>"}, {"eos_token", "</s>"},  {"unk_token", "<unk>"},
                                                           {"sep_token", ""},    {"pad_token", "<pad>"}, {"cls_token", ""},
                                                           {"mask_token", ""}};
  for (const auto& [key, usual] : named)
    if (const auto token = sources.token(key, usual)) settings.special.push_back(*token);
  const auto needed = [&](const char* key, const char* usual, const char* what) {
    const auto token = sources.token(key, usual);
    if (!token || token->content.empty()) throw ModelError("{}: {}: expected {}, found null", sources.source(key).where(), key, what);
    return token->content;
  };
  settings.pad_token = needed("pad_token", "<pad>", "the token that is the blank of CTC");
  settings.unknown_token = needed("unk_token", "<unk>", "a token for what cannot be spelled");
  settings.delimiter_token = needed("word_delimiter_token", "|", "the character between words");
  std::size_t at = 0;
  next_code_point(settings.delimiter_token, at);
  if (at != settings.delimiter_token.size()) sources.source("word_delimiter_token")["word_delimiter_token"].fail("one character");
  settings.special.push_back(*sources.token("word_delimiter_token", "|"));
  for (const char* key : {"extra_special_tokens", "additional_special_tokens"}) {
    const JsonView& from = sources.source(key);
    if (!from.has(key) || !from[key].raw().is_array()) continue;
    for (std::size_t i = 0; i < from[key].size(); ++i) settings.special.push_back(token_of(from[key][i]));
    break;
  }
}

}  // namespace

CtcSettings read_ctc_settings(const fs::path& directory) {
  try {
    const JsonFile vocabulary(directory / "vocab.json"), config_file = read_or_empty(directory / "tokenizer_config.json"),
                                                         special_map = read_or_empty(directory / "special_tokens_map.json");
    const JsonView config = config_file.view();
    CtcSettings settings;
    read_vocabulary(vocabulary.view(), config.has("target_lang") ? std::optional(config["target_lang"].text()) : std::nullopt, settings);
    read_added(config, directory / "added_tokens.json", settings);
    read_special(Sources(config, special_map.view()), settings);
    settings.delimiter_shown = config.text_or("replace_word_delimiter_char", " ");
    settings.do_lower_case = config.boolean_or("do_lower_case", false);
    settings.clean_up_spaces = config.boolean_or("clean_up_tokenization_spaces", false);
    return settings;
  } catch (const DataError& error) {  // a JSON view does not know that the file is a model's
    throw ModelError(error.code(), std::string(error.what()));
  }
}

}  // namespace thaw
