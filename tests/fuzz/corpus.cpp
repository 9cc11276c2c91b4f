// Manifests of speech in each format, beside one recording: the first byte says which format the rest is.
#include <array>

#include "datasets/speech/corpus.h"
#include "datasets/speech/text_rules.h"
#include "tests/fuzz/fuzz.h"

using namespace thaw;

namespace {

struct Format {
  CorpusFormat format;
  const char *file, *corpus;  // the file that is fuzzed; what is read, below its folder
};

constexpr std::array formats{
    Format{CorpusFormat::librispeech, "1-2.trans.txt", ""},
    Format{CorpusFormat::common_voice, "train.tsv", ""},
    Format{CorpusFormat::lj_speech, "metadata.csv", ""},
    Format{CorpusFormat::kaldi, "segments", ""},
    Format{CorpusFormat::kaldi, "wav.scp", ""},
    Format{CorpusFormat::kaldi, "text", ""},
    Format{CorpusFormat::jsonl, "rows.jsonl", "rows.jsonl"},
    Format{CorpusFormat::festvox, "txt.done.data", ""},
    Format{CorpusFormat::table, "rows.csv", "rows.csv"},
    Format{CorpusFormat::table, "rows.tsv", "rows.tsv"},
    Format{CorpusFormat::folders, "testing_list.txt", ""},
};

// A folder for each, with whatever else belongs to the format.
std::filesystem::path prepared(std::size_t number) {
  const std::filesystem::path name = std::to_string(number);
  for (const char* audio : {"a.wav", "wav/a.wav", "wavs/a.wav", "clips/a.wav", "class/a.wav", "a.flac"})
    fuzz::folder().put(name / audio, "x");
  if (formats[number].format == CorpusFormat::kaldi) {
    fuzz::folder().put(name / "wav.scp", "r a.wav\n");
    fuzz::folder().put(name / "text", "a one\nr two\n");
    if (std::string_view(formats[number].file) == "segments") fuzz::folder().put(name / "utt2dur", "a 1\n");
  }
  return fuzz::folder().path() / name;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static const std::array folders = [] {
    std::array<std::filesystem::path, formats.size()> all;
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = prepared(i);
    return all;
  }();
  const std::size_t number = (data[0] - 'a' + 256) % formats.size();
  const CorpusFormat format = formats[number].format;
  const std::filesystem::path corpus = folders[number] / formats[number].corpus;
  fuzz::folder().put(folders[number] / formats[number].file, fuzz::text_of(data + 1, size - 1));
  CorpusOptions options;
  options.format = format;
  options.min_s = 0.1;
  for (const bool need_text : {true, false}) {
    options.need_text = need_text;
    options.with_split = !need_text;
    options.allow_pipes = !need_text;  // nothing is run before audio is heard
    if (!need_text && format == CorpusFormat::folders) options.pattern = std::string(fuzz::text_of(data + 1, size - 1));
    fuzz::accepts([&] {
      const Corpus read = read_corpus(corpus, options);
      fuzz::require(!read.utterances.empty());
      static const TextRules rules({"nfkc", "lower", "strip_punctuation", "collapse_spaces"});
      for (const Utterance& one : read.utterances) {
        read.where(one);
        rules.apply(one.text);
        fuzz::require(!one.end_s || *one.end_s > one.begin_s);
        fuzz::require(!need_text || !one.text.empty());
      }
      read.fingerprint();
    });
  }
  return 0;
}
