// Word and character error rates against jiwer; the report as people read it.
#include "framework/tasks/wer.h"

#include <gtest/gtest.h>

#include "framework/base/file.h"
#include "framework/tasks/wer_report.h"
#include "tests/support/reference.h"

namespace thaw {
namespace {

const Json& expected() {
  static const Json read = test::reference("tasks/wer_reference.py");
  return read;
}

std::string digits(const std::vector<Edit>& edits) {
  std::string out;
  for (const Edit edit : edits) out += static_cast<char>('0' + static_cast<int>(edit));
  return out;
}

std::vector<std::int64_t> numbers(const ErrorCounts& counts) {
  return {counts.hits, counts.substitutions, counts.deletions, counts.insertions};
}

TEST(Wer, CountsAndAlignmentsAsJiwer) {
  THAW_NEEDS_PYTHON();
  ASSERT_GT(expected()["cases"].size(), 12000u);
  for (const Json& c : expected()["cases"]) {
    const std::string reference = c["reference"], hypothesis = c["hypothesis"];
    ErrorRates rates;
    rates.add(reference, hypothesis);
    ASSERT_EQ(numbers(rates.words), c["words"].get<std::vector<std::int64_t>>()) << reference << "\n" << hypothesis;
    ASSERT_EQ(numbers(rates.characters), c["characters"].get<std::vector<std::int64_t>>()) << reference << "\n" << hypothesis;
    ASSERT_DOUBLE_EQ(rates.words.rate(), c["wer"]) << reference << "\n" << hypothesis;
    ASSERT_DOUBLE_EQ(rates.characters.rate(), c["cer"]) << reference << "\n" << hypothesis;
    ASSERT_EQ(digits(align_edits(words_of(reference), words_of(hypothesis))), c["word_edits"]) << reference << "\n" << hypothesis;
    ASSERT_EQ(digits(align_edits(spelling_of(reference), spelling_of(hypothesis))), c["character_edits"]) << reference << "\n"
                                                                                                          << hypothesis;
  }
}

TEST(Wer, CorporaAsJiwer) {
  THAW_NEEDS_PYTHON();
  for (const Json& c : expected()["corpora"]) {
    std::vector<TranscriptPair> rows;
    for (std::size_t i = c["start"]; i < c["end"]; ++i)
      rows.push_back({std::to_string(i),
                      expected()["cases"][i]["reference"],
                      expected()["cases"][i]["hypothesis"],
                      {{"half", i % 2 == 0 ? "even" : "odd"}}});
    EXPECT_DOUBLE_EQ(error_rates(rows).words.rate(), c["wer"]);
    EXPECT_DOUBLE_EQ(error_rates(rows).characters.rate(), c["cer"]);
    const auto by_column = error_rates_by_column(rows);
    ErrorRates halves = by_column.at("half").at("even");
    halves += by_column.at("half").at("odd");
    EXPECT_EQ(halves.words, error_rates(rows).words);
    EXPECT_EQ(halves.utterances, static_cast<std::int64_t>(rows.size()));
  }
}

// Whose table of distances would have 400 million cells.
TEST(Wer, LongTranscripts) {
  std::string reference, hypothesis;
  for (int i = 0; i < 20000; ++i) {
    reference += static_cast<char>('a' + i * i % 23);
    if (i % 100 == 0) hypothesis += '#';
    else if (i % 100 != 50) hypothesis += reference.back();
  }
  ErrorRates rates;
  rates.add(reference, hypothesis);
  EXPECT_EQ(numbers(rates.characters), (std::vector<std::int64_t>{19600, 200, 200, 0}));
}

const std::vector<TranscriptPair> rows = {{"a-1", "the cat sat on the mat", "the cat sat on the mat", {{"speaker", "ann"}}},
                                          {"b-1", "a short one here", "shoe short one", {{"speaker", "bob"}}},
                                          {"b-2", "one two three four", "one 二 three for you now", {{"speaker", "bob"}}}};

TEST(WerReport, SummaryThenWorstFirst) {
  EXPECT_EQ(error_report(rows), R"(word error rate       42.86 %  (S 3, D 1, I 2 of 14 words)
character error rate  35.71 %  (S 3, D 7, I 10 of 56 characters)
utterances            3, 1 without an error

speaker  utterances    words   WER %     sub     del     ins   CER %
ann               1        6    0.00       0       0       0    0.00
bob               2        8   75.00       3       1       2   58.82

b-2  100.00 %  (S 2, D 0, I 2 of 4 words)
  ref: one two three *** *** four
  hyp: one 二  three for you now
           S         I   I   S

b-1  50.00 %  (S 1, D 1, I 0 of 4 words)
  ref: a    short one here
  hyp: shoe short one ****
       S              D
)");
}

TEST(WerReport, InOrderAndNarrow) {
  const std::string narrow = error_report(rows, {.order = ReportOptions::as_given, .right_ones = true, .columns = 20});
  EXPECT_LT(narrow.find("\na-1  0.00 %"), narrow.find("\nb-1  "));
  EXPECT_LT(narrow.find("\nb-1  "), narrow.find("\nb-2  "));
  EXPECT_NE(narrow.find("  ref: the cat sat\n  hyp: the cat sat\n\n  ref: on the mat\n"), std::string::npos) << narrow;
}

TEST(WerReport, CharactersAndForeignBytes) {
  const std::string report = error_report({{"x\x1b[2J", "日本語 a", "日語 \x1b", {}}}, {.characters = true});
  EXPECT_EQ(report.find('\x1b'), std::string::npos) << "a terminal would obey";
  EXPECT_NE(report.find("x\\x1b[2J"), std::string::npos) << report;
  EXPECT_NE(report.find("  ref: 日本語 a\n  hyp: 日**語 \\x1b\n         D    S\n"), std::string::npos) << report;
}

TEST(WerReport, FileInTheRunDirectory) {
  const fs::path run = fs::temp_directory_path() / fmt::format("thaw-wer-{}", ::getpid());
  const fs::path path = write_error_report(run, "dev", rows);
  EXPECT_EQ(path, run / "eval" / "dev.wer.txt");
  EXPECT_EQ(read_file(path), error_report(rows));
  fs::remove_all(run);
}

}  // namespace
}  // namespace thaw
