// BERT's kind: words by a PreTokenizer, their pieces by WordPiece, put together again by the decoder WordPiece.
#include <array>
#include <optional>
#include <utility>

#include "datasets/tokenizers/normalizer.h"
#include "datasets/tokenizers/pre_tokenizer.h"
#include "datasets/tokenizers/token_model.h"
#include "datasets/tokenizers/word_piece.h"

namespace thaw {
namespace {

// What the decoder's `cleanup` replaces, in this order.
constexpr std::array<std::pair<std::string_view, std::string_view>, 11> cleanups{{{" .", "."},
                                                                                  {" ?", "?"},
                                                                                  {" !", "!"},
                                                                                  {" ,", ","},
                                                                                  {" ' ", "'"},
                                                                                  {" n't", "n't"},
                                                                                  {" 'm", "'m"},
                                                                                  {" do not", " don't"},
                                                                                  {" 's", "'s"},
                                                                                  {" 've", "'ve"},
                                                                                  {" 're", "'re"}}};

std::string cleaned(std::string text) {
  for (const auto& [from, to] : cleanups)
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
  return text;
}

class WordPieceModel : public TokenModel {
 public:
  explicit WordPieceModel(const JsonView& settings) : pre_tokenizer_(part_of(settings, "pre_tokenizer")), pieces_(settings["model"]) {
    const JsonView decoder = part_of(settings, "decoder");
    if (decoder.raw().is_null()) return;
    if (decoder["type"].text() != "WordPiece") fail_unsupported(decoder["type"], "decoders of type WordPiece");
    prefix_ = decoder["prefix"].text();
    cleanup_ = decoder["cleanup"].boolean();
  }

  const Vocabulary& vocabulary() const override { return pieces_.vocabulary(); }

  void encode(std::string_view text, std::size_t enough, std::vector<std::uint32_t>& ids) const override {
    std::vector<std::string_view> words;
    pre_tokenizer_.split(text, words);
    for (const std::string_view word : words) {
      pieces_.encode(word, ids);
      if (ids.size() > enough) return;
    }
  }

  std::string decode(const std::vector<std::string_view>& tokens) const override {
    std::string text;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      std::string token(tokens[i]);
      if (i > 0 && prefix_ && token.starts_with(*prefix_)) token.erase(0, prefix_->size());
      else if (i > 0) token.insert(0, " ");
      text += cleanup_ ? cleaned(std::move(token)) : token;
    }
    return text;
  }

 private:
  PreTokenizer pre_tokenizer_;
  WordPiece pieces_;
  std::optional<std::string> prefix_;  // nothing without a decoder: tokens are then set apart by blanks
  bool cleanup_ = false;
};

}  // namespace

std::unique_ptr<const TokenModel> make_word_piece_model(const JsonView& settings) { return std::make_unique<WordPieceModel>(settings); }

}  // namespace thaw
