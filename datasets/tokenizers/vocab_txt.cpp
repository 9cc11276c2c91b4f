#include "datasets/tokenizers/vocab_txt.h"

#include <algorithm>

#include "datasets/tokenizers/utf8.h"
#include "framework/base/error.h"
#include "framework/base/file.h"

namespace thaw {
namespace {

// One token a line, numbered from 0. Lines end as in Python's text mode: \n, \r\n or \r. Of equal lines the last counts.
Json read_vocab(const fs::path& path) {
  const std::string text = read_file(path);
  if (!is_utf8(text)) throw ModelError("{}: expected UTF-8, found other bytes: convert the file", path.string());
  Json vocab = Json::object();
  std::uint32_t line = 0;
  for (std::size_t at = 0; at < text.size(); ++line) {
    const std::size_t end = std::min(text.find_first_of("\r\n", at), text.size());
    vocab[text.substr(at, end - at)] = line;
    at = end + (text.compare(end, 2, "\r\n") == 0 ? 2 : 1);
  }
  return vocab;
}

// A special token is a string, or an object with its content and settings.
Json special_token(const JsonView& config, std::string_view key, std::string_view usual) {
  Json token = {{"content", usual}, {"single_word", false}, {"lstrip", false}, {"rstrip", false}, {"normalized", false}, {"special", true}};
  if (!config.has(key)) return token;
  const JsonView given = config[key];
  if (!given.raw().is_object()) {
    token["content"] = given.text();
    return token;
  }
  token["content"] = given["content"].text();
  for (const char* flag : {"single_word", "lstrip", "rstrip", "normalized"}) token[flag] = given.boolean_or(flag, false);
  return token;
}

}  // namespace

Json tokenizer_from_vocab_txt(const fs::path& directory) {
  const fs::path config_path = directory / "tokenizer_config.json";
  const JsonFile file = fs::exists(config_path) ? JsonFile(config_path) : JsonFile(config_path.string(), "{}");
  const JsonView config = file.view();
  Json vocab = read_vocab(directory / "vocab.txt");
  auto next = static_cast<std::uint32_t>(vocab.size());

  Json added = Json::array();
  Json template_tokens = Json::object();
  const auto add = [&](std::string_view key, std::string_view usual) {
    Json token = special_token(config, key, usual);
    const std::string content = token["content"];
    const auto same = std::find_if(added.begin(), added.end(), [&](const Json& other) { return other["content"] == content; });
    if (same != added.end()) return *same;
    const auto known = vocab.find(content);
    token["id"] = known == vocab.end() ? next++ : known->get<std::uint32_t>();
    added.push_back(token);
    return token;
  };
  const Json unk = add("unk_token", "[UNK]"), sep = add("sep_token", "[SEP]");
  add("pad_token", "[PAD]");
  const Json cls = add("cls_token", "[CLS]");
  add("mask_token", "[MASK]");
  for (const Json& token : {cls, sep}) {
    template_tokens[token["content"].get<std::string>()] = {
        {"id", token["content"]}, {"ids", Json::array({token["id"]})}, {"tokens", Json::array({token["content"]})}};
  }
  const auto special = [](const Json& token, int type) { return Json{{"SpecialToken", {{"id", token["content"]}, {"type_id", type}}}}; };
  const auto sequence = [](const char* id, int type) { return Json{{"Sequence", {{"id", id}, {"type_id", type}}}}; };

  Json strip_accents;
  if (config.has("strip_accents")) strip_accents = config["strip_accents"].boolean();
  return {{"added_tokens", added},
          {"normalizer",
           {{"type", "BertNormalizer"},
            {"clean_text", true},
            {"handle_chinese_chars", config.boolean_or("tokenize_chinese_chars", true)},
            {"strip_accents", strip_accents},
            {"lowercase", config.boolean_or("do_lower_case", true)}}},
          {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
          {"post_processor",
           {{"type", "TemplateProcessing"},
            {"single", Json::array({special(cls, 0), sequence("A", 0), special(sep, 0)})},
            {"pair", Json::array({special(cls, 0), sequence("A", 0), special(sep, 0), sequence("B", 1), special(sep, 1)})},
            {"special_tokens", template_tokens}}},
          {"model",
           {{"type", "WordPiece"},
            {"unk_token", unk["content"]},
            {"continuing_subword_prefix", "##"},
            {"max_input_chars_per_word", 100},
            {"vocab", std::move(vocab)}}}};
}

}  // namespace thaw
