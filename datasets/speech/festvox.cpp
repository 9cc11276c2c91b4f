// Prompts of festival's voices: ( id "text" ) in etc/txt.done.data, beside wav/ID.wav. Scheme's strings: \" and \\ are escapes,
// a line may end inside, and ";" begins a comment outside.
#include "datasets/speech/readers.h"
#include "datasets/tokenizers/utf8.h"

namespace thaw {
namespace {

class Prompts {
 public:
  struct Prompt {
    std::string id, text;
    std::uint64_t line = 0;
  };

  Prompts(std::string name, std::string_view text) : name_(std::move(name)), text_(text) {}

  bool next(Prompt& prompt) {
    pass_blanks();
    if (at_ == text_.size()) return false;
    prompt.line = line_;
    expect('(');
    pass_blanks();
    prompt.id = symbol();
    pass_blanks();
    prompt.text = string();
    pass_blanks();
    expect(')');
    return true;
  }

 private:
  char here() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void step() { line_ += text_[at_++] == '\n'; }

  [[noreturn]] void fail(const char* expected) const {
    const std::string found = at_ < text_.size() ? fmt::format("'{}'", text_[at_]) : "the end of the file";
    throw DataError("{}:{}: expected {}, found {}: a prompt is ( id \"text\" )", name_, line_, expected, found);
  }

  void expect(char wanted) {
    if (here() != wanted) fail(wanted == '(' ? "'('" : "')'");
    step();
  }

  void pass_blanks() {
    while (at_ < text_.size()) {
      if (here() == ';')
        while (at_ < text_.size() && here() != '\n') ++at_;
      else if (std::string_view(" \t\r\n").find(here()) != std::string_view::npos) step();
      else return;
    }
  }

  std::string symbol() {
    const std::size_t end = std::min(text_.find_first_of(" \t\r\n()\";", at_), text_.size());
    if (end == at_) fail("an id");
    const std::string name(text_.substr(at_, end - at_));
    at_ = end;
    return name;
  }

  std::string string() {
    if (here() != '"') fail("a text in quotes");
    const std::uint64_t opened = line_;
    std::string text;
    for (step(); at_ < text_.size() && here() != '"'; step()) {
      if (here() == '\\' && at_ + 1 < text_.size()) ++at_;
      text += here() == '\n' ? ' ' : here();
    }
    if (at_ == text_.size()) throw DataError("{}:{}: the text that begins here never ends: close its quote", name_, opened);
    step();
    return text;
  }

  std::string name_;
  std::string_view text_;
  std::size_t at_ = 0;
  std::uint64_t line_ = 1;
};

}  // namespace

fs::path festvox_prompts(const fs::path& path) {
  for (const fs::path& place : {path / "txt.done.data", path / "etc" / "txt.done.data"})
    if (fs::is_regular_file(place)) return place;
  return fs::is_regular_file(path) ? path : fs::path();
}

void read_festvox(const fs::path& path, CorpusBuilder& corpus) {
  const fs::path file = festvox_prompts(path), folder = file.parent_path();
  if (file.empty()) throw DataError(ExitCode::input_missing, "{}: expected etc/txt.done.data in it", path.string());
  fs::path wav = folder / "wav";
  if (!fs::is_directory(wav)) wav = folder / ".." / "wav";
  wav = wav.lexically_normal();
  AudioFiles audio(wav);
  const SourceText source(file);
  refuse_other_encodings(source);
  const std::uint64_t repaired = lines_to_repair(source.text());
  const std::string whole = repaired > 0 ? repair_utf8(source.text()) : std::string(source.text());
  corpus.count_repaired(repaired);
  const std::uint32_t number = corpus.add_file(file);
  Prompts prompts(file.string(), whole);
  for (Prompts::Prompt prompt; prompts.next(prompt);) {
    Utterance utterance;
    utterance.id = prompt.id;
    utterance.text = prompt.text;
    utterance.audio = audio.take(prompt.id);
    if (utterance.audio.empty()) utterance.audio = (wav / (prompt.id + ".wav")).string();
    utterance.file = number, utterance.line = prompt.line;
    corpus.add(std::move(utterance));
  }
  audio.report_rest(corpus);
}

}  // namespace thaw
