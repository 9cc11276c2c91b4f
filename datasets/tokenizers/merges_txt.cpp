#include "datasets/tokenizers/merges_txt.h"

#include <map>
#include <set>

#include "datasets/tokenizers/utf8.h"
#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/text.h"

namespace thaw {
namespace {

constexpr const char* end_of_text = "<|endoftext|>";

Json read_json(const fs::path& path) { return fs::exists(path) ? JsonFile(path).raw() : Json::object(); }

// A pair a line, in the order of their ranks, after a line "#version: …".
Json read_merges(const fs::path& path) {
  const std::string text = read_file(path);
  if (!is_utf8(text)) throw ModelError("{}: expected UTF-8, found other bytes: fetch the file again", path.string());
  Json merges = Json::array();
  for (const std::string& line : split(text, '\n')) {
    const std::string_view pair = trim(line);
    if (!pair.empty() && !(merges.empty() && pair.starts_with("#version"))) merges.push_back(pair);
  }
  return merges;
}

Json token(std::int64_t id, const std::string& content, bool special) {
  return {{"id", id},        {"content", content}, {"single_word", false},  {"lstrip", false},
          {"rstrip", false}, {"special", special}, {"normalized", !special}};
}

std::string content_of(const JsonView& token) { return token.raw().is_object() ? token["content"].text() : token.text(); }

// The names of the tokens that the settings call special.
std::set<std::string> special_names(const JsonView& config) {
  std::set<std::string> names;
  for (const char* key : {"bos_token", "eos_token", "unk_token"}) names.insert(config.has(key) ? content_of(config[key]) : end_of_text);
  if (config.has("pad_token")) names.insert(content_of(config["pad_token"]));
  for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
    if (!config.has(key) || !config[key].raw().is_array()) continue;
    for (std::size_t i = 0; i < config[key].size(); ++i) names.insert(content_of(config[key][i]));
  }
  return names;
}

// By id, so that those behind the vocabulary follow it one by one.
Json added_tokens(const JsonView& config, const JsonView& vocab, const JsonView& added) {
  std::map<std::int64_t, Json> tokens;
  const std::set<std::string> special = special_names(config);
  for (const std::string& name : special)
    if (vocab.has(name)) tokens[vocab[name].integer()] = token(vocab[name].integer(), name, true);
  for (const auto& [name, unused] : added.raw().items())
    tokens[added[name].integer()] = token(added[name].integer(), name, special.contains(name));
  if (config.has("added_tokens_decoder")) {
    const JsonView decoder = config["added_tokens_decoder"];
    if (!decoder.raw().is_object()) decoder.fail("an object of ids and tokens");
    for (const auto& [key, unused] : decoder.raw().items()) {
      const JsonView given = decoder[key];
      const bool number = !key.empty() && key.size() < 10 && key.find_first_not_of("0123456789") == std::string::npos;
      if (!number) given.fail("a key that is an id");
      const std::int64_t id = std::stoll(key);
      Json made = token(id, given["content"].text(), given.boolean_or("special", false));
      for (const char* flag : {"single_word", "lstrip", "rstrip", "normalized"})
        made[flag] = given.boolean_or(flag, made[flag].get<bool>());
      tokens[id] = std::move(made);
    }
  }
  Json list = Json::array();
  for (auto& [id, made] : tokens) list.push_back(std::move(made));
  return list;
}

// <|startoftranscript|> <|notimestamps|> TEXT <|endoftext|>
Json whisper_template(const JsonView& tokens) {
  const auto special = [](const std::string& name, int type) { return Json{{"SpecialToken", {{"id", name}, {"type_id", type}}}}; };
  const auto sequence = [](const char* id, int type) { return Json{{"Sequence", {{"id", id}, {"type_id", type}}}}; };
  Json known = Json::object();
  for (const char* name : {"<|startoftranscript|>", "<|notimestamps|>", end_of_text})
    for (const Json& token : tokens.raw())
      if (token["content"] == name) known[name] = {{"id", name}, {"ids", Json::array({token["id"]})}, {"tokens", Json::array({name})}};
  const Json begin = special("<|startoftranscript|>", 0), plain = special("<|notimestamps|>", 0);
  return {{"type", "TemplateProcessing"},
          {"single", Json::array({begin, plain, sequence("A", 0), special(end_of_text, 0)})},
          {"pair", Json::array({begin, plain, sequence("A", 0), sequence("B", 1), special(end_of_text, 1)})},
          {"special_tokens", known}};
}

}  // namespace

Json tokenizer_from_merges(const fs::path& directory) {
  const Json config = read_json(directory / "tokenizer_config.json"), added = read_json(directory / "added_tokens.json");
  const JsonFile vocab(directory / "vocab.json");
  const JsonView settings(config, (directory / "tokenizer_config.json").string());
  const Json tokens = added_tokens(settings, vocab.view(), JsonView(added, (directory / "added_tokens.json").string()));
  const Json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", settings.boolean_or("add_prefix_space", false)}, {"use_regex", true}};
  const bool whisper = settings.text_or("tokenizer_class", "").starts_with("Whisper");
  return {{"added_tokens", tokens},
          {"normalizer", nullptr},
          {"pre_tokenizer", byte_level},
          {"post_processor", whisper ? whisper_template(JsonView(tokens, directory.string())) : Json()},
          {"decoder", byte_level},
          {"model", {{"type", "BPE"}, {"vocab", vocab.raw()}, {"merges", read_merges(directory / "merges.txt")}}}};
}

}  // namespace thaw
