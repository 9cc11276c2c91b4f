#include "framework/tasks/wer_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "framework/base/file.h"
#include "framework/base/text.h"
#include "framework/tasks/text/characters.h"

namespace thaw {
namespace {

struct Aligned {
  std::vector<std::string_view> reference, hypothesis;
  std::vector<Edit> edits;
  ErrorCounts counts;
};

Aligned align_transcript(const TranscriptPair& transcript, bool characters) {
  const auto items = characters ? spelling_of : words_of;
  Aligned aligned{items(transcript.reference), items(transcript.hypothesis), {}, {}};
  aligned.edits = align_edits(aligned.reference, aligned.hypothesis);
  aligned.counts = count_edits(aligned.edits);
  return aligned;
}

std::string padded(std::string_view text, std::size_t width, std::string_view with = " ") {
  std::string out(text);
  for (std::size_t columns = display_columns(text); columns < width; ++columns) out += with;
  return out;
}

std::string without_end_blanks(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

// Three lines under each other, as often as the width demands it: what was said, what was understood, and which edit.
// Asterisks stand where the other side has a word alone.
std::string alignment_lines(const Aligned& aligned, const ReportOptions& options) {
  static constexpr char marks[] = {' ', 'S', 'D', 'I'};
  const std::string gap = options.characters ? "" : " ";
  std::string out, reference, hypothesis, edits;
  std::size_t used = 0;
  const auto flush = [&] {
    if (used == 0) return;
    out += without_end_blanks("  ref: " + reference) + without_end_blanks("  hyp: " + hypothesis) + without_end_blanks("       " + edits);
    reference.clear(), hypothesis.clear(), edits.clear();
    used = 0;
  };
  std::size_t r = 0, h = 0;
  for (const Edit edit : aligned.edits) {
    const std::string said = edit == Edit::insertion ? "" : printable(aligned.reference[r++]);
    const std::string heard = edit == Edit::deletion ? "" : printable(aligned.hypothesis[h++]);
    const std::size_t width = std::max({display_columns(said), display_columns(heard), std::size_t{1}});
    if (7 + used + width > options.columns) flush();
    reference += padded(said, width, edit == Edit::insertion ? "*" : " ") + gap;
    hypothesis += padded(heard, width, edit == Edit::deletion ? "*" : " ") + gap;
    edits += padded(std::string(1, marks[static_cast<std::size_t>(edit)]), width) + gap;
    used += width + gap.size();
  }
  flush();
  return out;
}

std::string sums(const ErrorCounts& counts, const char* items) {
  return fmt::format("{:.2f} %  (S {}, D {}, I {} of {} {})", 100 * counts.rate(), counts.substitutions, counts.deletions,
                     counts.insertions, counts.reference(), items);
}

std::string column_table(const std::string& column, const std::map<std::string, ErrorRates>& values) {
  std::size_t width = display_columns(printable(column));
  for (const auto& [value, rates] : values) width = std::max(width, display_columns(printable(value)));
  std::string out = fmt::format("{}  utterances    words   WER %     sub     del     ins   CER %\n", padded(printable(column), width));
  for (const auto& [value, rates] : values) {
    out += fmt::format("{}  {:10}  {:7}  {:6.2f}  {:6}  {:6}  {:6}  {:6.2f}\n", padded(printable(value), width), rates.utterances,
                       rates.words.reference(), 100 * rates.words.rate(), rates.words.substitutions, rates.words.deletions,
                       rates.words.insertions, 100 * rates.characters.rate());
  }
  return out;
}

std::string summary(const std::vector<TranscriptPair>& transcripts) {
  const ErrorRates total = error_rates(transcripts);
  std::string out = fmt::format("word error rate       {}\ncharacter error rate  {}\nutterances            {}, {} without an error\n",
                                sums(total.words, "words"), sums(total.characters, "characters"), total.utterances, total.right);
  for (const auto& [column, values] : error_rates_by_column(transcripts)) out += "\n" + column_table(column, values);
  return out;
}

}  // namespace

std::string error_report(const std::vector<TranscriptPair>& transcripts, const ReportOptions& options) {
  std::vector<Aligned> aligned;
  for (const TranscriptPair& one : transcripts) aligned.push_back(align_transcript(one, options.characters));
  std::vector<std::size_t> order(transcripts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (options.order == ReportOptions::worst_first) {
    const auto badness = [&](std::size_t i) { return std::pair(aligned[i].counts.errors(), aligned[i].counts.rate()); };
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return badness(a) > badness(b); });
  }
  std::string out = summary(transcripts);
  for (const std::size_t i : order) {
    const ErrorCounts& counts = aligned[i].counts;
    if (counts.errors() == 0 && !options.right_ones) continue;
    out += fmt::format("\n{}  {}\n{}", printable(transcripts[i].id), sums(counts, options.characters ? "characters" : "words"),
                       alignment_lines(aligned[i], options));
  }
  return out;
}

fs::path write_error_report(const fs::path& run_directory, const std::string& name, const std::vector<TranscriptPair>& transcripts,
                            const ReportOptions& options) {
  const fs::path path = run_directory / "eval" / (name + ".wer.txt");
  make_directory(path.parent_path());
  write_file_atomically(path, error_report(transcripts, options));
  return path;
}

}  // namespace thaw
