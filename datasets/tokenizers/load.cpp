#include "datasets/tokenizers/ctc_vocabulary.h"
#include "datasets/tokenizers/merges_txt.h"
#include "datasets/tokenizers/model_tokenizer.h"
#include "datasets/tokenizers/normalizer.h"
#include "datasets/tokenizers/tokenizer.h"
#include "datasets/tokenizers/vocab_txt.h"
#include "framework/base/error.h"
#include "framework/base/file.h"

namespace thaw {
namespace {

std::unique_ptr<Tokenizer> build(const JsonView& settings) {
  if (settings.has("version") && settings["version"].text() != "1.0") fail_unsupported(settings["version"], "files of version 1.0");
  const std::string type = settings["model"].text_or("type", "WordPiece");
  if (type == "WordPiece") return std::make_unique<ModelTokenizer>(settings, make_word_piece_model(settings));
  if (type == "BPE") return std::make_unique<ModelTokenizer>(settings, make_byte_level_model(settings));
  fail_unsupported(settings["model"]["type"], "models of type WordPiece and (byte-level) BPE");
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer(const fs::path& model_directory) {
  const fs::path whole = model_directory / "tokenizer.json", vocab = model_directory / "vocab.txt",
                 merges = model_directory / "merges.txt", ctc = model_directory / "vocab.json";
  try {
    if (fs::exists(whole)) return build(JsonFile(whole).view());
    if (fs::exists(vocab)) {
      const Json made = tokenizer_from_vocab_txt(model_directory);
      return build(JsonView(made, vocab.string()));
    }
    if (fs::exists(merges)) {
      const Json made = tokenizer_from_merges(model_directory);
      return build(JsonView(made, merges.string()));
    }
    if (fs::exists(ctc)) return load_ctc_vocabulary(model_directory);
  } catch (const DataError& error) {  // a JSON view does not know that the file is a model's
    throw ModelError(error.code(), std::string(error.what()));
  }
  throw ModelError(ExitCode::input_missing,
                   "{}: expected tokenizer.json, vocab.txt, vocab.json and merges.txt, or a CTC model's vocab.json, found none: is it a model's directory?",
                   model_directory.string());
}

}  // namespace thaw
