// GPT-2's and Whisper's kind: words by a pattern, their bytes merged in pairs (BPE), and bytes put together again.
#include "datasets/tokenizers/bpe.h"
#include "datasets/tokenizers/byte_level.h"
#include "datasets/tokenizers/normalizer.h"
#include "datasets/tokenizers/token_model.h"

namespace thaw {
namespace {

class ByteLevelModel : public TokenModel {
 public:
  explicit ByteLevelModel(const JsonView& settings) : bpe_(settings["model"]) {
    const JsonView pre_tokenizer = settings["pre_tokenizer"], decoder = settings["decoder"];
    for (const JsonView& part : {pre_tokenizer, decoder})
      if (part["type"].text() != "ByteLevel") fail_unsupported(part["type"], "ByteLevel, with a model of type BPE");
    add_prefix_space_ = pre_tokenizer["add_prefix_space"].boolean();
    use_pattern_ = pre_tokenizer.boolean_or("use_regex", true);
  }

  const Vocabulary& vocabulary() const override { return bpe_.vocabulary(); }

  void encode(std::string_view text, std::size_t enough, std::vector<std::uint32_t>& ids) const override {
    if (text.empty()) return;
    std::string prefixed;
    if (add_prefix_space_ && text.front() != ' ') text = prefixed = " " + std::string(text);
    if (!use_pattern_) return bpe_.encode(text, ids);
    std::vector<std::string_view> words;
    byte_level::split_words(text, words);
    for (const std::string_view word : words) {
      bpe_.encode(word, ids);
      if (ids.size() > enough) return;
    }
  }

  // An added token with a character that stands for no byte is text already.
  std::string decode(const std::vector<std::string_view>& tokens) const override {
    std::string bytes;
    for (const std::string_view token : tokens) bytes += byte_level::bytes_of(token).value_or(std::string(token));
    return bytes;
  }

 private:
  Bpe bpe_;
  bool add_prefix_space_ = false, use_pattern_ = true;
};

}  // namespace

std::unique_ptr<const TokenModel> make_byte_level_model(const JsonView& settings) { return std::make_unique<ByteLevelModel>(settings); }

}  // namespace thaw
