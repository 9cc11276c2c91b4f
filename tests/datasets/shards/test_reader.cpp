#include "tests/datasets/shards/shard_testing.h"

namespace thaw {
namespace {

std::vector<Row> rows_of(const std::string& content, ReadOptions options, SourceFormat format = SourceFormat::tsv,
                         ReadCounts* counts = nullptr) {
  options.format = format;
  RowReader reader(std::make_shared<SourceText>("data.x", content), options);
  std::vector<Row> rows;
  for (Row row; reader.next(row);) rows.push_back(row);
  if (counts != nullptr) *counts = reader.counts();
  return rows;
}
std::string error_for(const std::string& content, const ReadOptions& options = {}, SourceFormat format = SourceFormat::tsv) {
  return error_of([&] { rows_of(content, options, format); });
}

TEST(Reader, HeaderColumnsInAnyOrder) {
  ReadOptions options;
  options.id = "name", options.weight = "w", options.group = "who";
  const auto rows = rows_of("who\tlabel\tw\tname\ttext\nanna\tgood\t0.5\ta1\tHello there\nbo\tbad\t2\tb2\tBye\n", options);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].text, "Hello there");
  EXPECT_EQ(rows[0].labels, std::vector<std::string>{"good"});
  EXPECT_EQ(rows[0].weight, 0.5);
  EXPECT_EQ(rows[1].id, "b2");
  EXPECT_EQ(rows[1].group, "bo");
  EXPECT_EQ(rows[1].line, 3u);
}

TEST(Reader, FilesWithoutHeader) {
  const auto usual = rows_of("a b\t1\nc d\t0\n", {});
  ASSERT_EQ(usual.size(), 2u);
  EXPECT_EQ(usual[0].text, "a b");
  EXPECT_EQ(usual[0].id, "1");
  ReadOptions numbered;
  numbered.text = "2", numbered.label = "0";
  EXPECT_EQ(rows_of("1\tx\ta b\n", numbered)[0].text, "a b");
  ReadOptions paired;
  paired.pair = "second";
  EXPECT_EQ(rows_of("a\tb\t1\n", paired)[0].pair, "b");
  ReadOptions alone;
  alone.label_kind = LabelKind::none;
  EXPECT_EQ(rows_of("one\ntwo\n", alone).size(), 2u);
  ReadOptions no_header;
  no_header.header = Header::no;
  EXPECT_EQ(rows_of("text\tlabel\n", no_header)[0].text, "text");
  numbered.header = Header::yes;
  EXPECT_EQ(rows_of("l\tx\tt\n1\tx\ta b\n", numbered).size(), 1u);
  ReadOptions mixed;
  mixed.label = "0";
  EXPECT_SAYS(error_for("1\ta b\n", mixed), "data.x:1: the first line names none of the wanted columns")
      << "a number is a place, not a rank";
}

// What is taken by position is said, since a header that was overlooked would be a row.
TEST(Reader, ColumnsTakenByPositionAreSaid) {
  const auto header = [](const std::string& content, const ReadOptions& options) {
    return RowReader(std::make_shared<SourceText>("data.tsv", content), options).header();
  };
  ReadOptions paired;
  paired.pair = "second";
  EXPECT_EQ(header("a\t1\n", {}).by_position, "no header; column 0 is the text, column 1 the label");
  EXPECT_EQ(header("a\tb\t1\n", paired).by_position, "no header; column 0 is the text, column 1 the second text, column 2 the label");
  EXPECT_TRUE(header("a\t1\n", {}).assumed_absent);
  EXPECT_EQ(header("text\tlabel\n", {}).by_position, "");
  EXPECT_TRUE(header("text\tlabel\n", {}).there);
  ReadOptions said;
  said.header = Header::no;
  EXPECT_FALSE(header("a\t1\n", said).assumed_absent);
}

TEST(Reader, AHeaderThatIsNearlyMissedIsNotARow) {
  for (const char* line : {"Text\tLabel\n", "text\tLABEL\n", "text \tlabel\n"})
    EXPECT_SAYS(error_for(std::string(line) + "a\t1\n"),
                "did you mean that? Name it so, or, if this line is a row, say that the file has no header");
  EXPECT_SAYS(error_for("Text\tlabel\na\t1\n"), "data.x:1: expected a column 'text' (text), found 'Text'");
  ReadOptions said;
  said.header = Header::yes;
  EXPECT_SAYS(error_for("Text\tlabel\na\t1\n", said), "did you mean");
  said.header = Header::no;
  EXPECT_EQ(rows_of("Text\tLabel\na\t1\n", said).size(), 2u);
  EXPECT_EQ(rows_of("Text\ttext\tlabel\nx\ta\t1\n", {})[0].text, "a");
}

// Columns whose names are digits; where labels are digits too, one of them in the first line makes no header.
TEST(Reader, DigitsAreNamesWhereTheHeaderHasThem) {
  ReadOptions digits;
  digits.text = "7", digits.label = "3";
  EXPECT_EQ(rows_of("3\t7\nyes\ta b\n", digits)[0].text, "a b");
  digits.text = "1", digits.label = "0";
  EXPECT_EQ(rows_of("0\tfirst\n1\tsecond\n", digits).size(), 2u);
  EXPECT_EQ(rows_of("0\tfirst\n1\tsecond\n", digits)[0].text, "first");
}

TEST(Reader, WhatStandsThereTwiceIsRefused) {
  EXPECT_SAYS(error_for("text\tlabel\ttext\na\t1\tb\n"), "data.x:1: the column 'text' (text) stands in the header twice");
  EXPECT_EQ(rows_of("text\tlabel\tx\tx\na\t1\tb\tc\n", {}).size(), 1u) << "columns that nobody wants";
  ReadOptions numbered;
  numbered.text = "2";
  EXPECT_EQ(rows_of("text\tlabel\ttext\na\t1\tb\n", numbered)[0].text, "b");
  const std::string row = R"({"text": "a", "label": 1})";
  EXPECT_SAYS(error_for(row + "\n" + R"({"text": "a", "label": 1, "text": "b"})", {}, SourceFormat::jsonl),
              "data.x:2: row 2: the key 'text' stands there twice");
  EXPECT_EQ(
      rows_of(R"({"text": "a", "label": 1, "more": {"x": 1, "x": 2, "text": 3}, "list": [{"x": 1}, {"x": 2}]})", {}, SourceFormat::jsonl)
          .size(),
      1u);
  ReadOptions skipping;
  skipping.skip_bad_rows = true;
  EXPECT_EQ(rows_of(R"({"text": "a", "label": 1, "text": "b"})"
                    "\n" +
                        row,
                    skipping, SourceFormat::jsonl)
                .size(),
            1u);
}

TEST(Reader, Utf16IsNamed) {
  for (const std::string& content :
       {std::string("\xFF\xFEt\0e\0", 6), std::string("\xFE\xFF\0t\0e", 6), std::string("t\0e\0x\0t\0\n\0", 10)})
    for (const SourceFormat format : {SourceFormat::tsv, SourceFormat::csv, SourceFormat::jsonl})
      EXPECT_SAYS(error_for(content, {}, format), "data.x:1: expected UTF-8, found UTF-16 or bytes that are no text: save it as UTF-8");
}

TEST(Reader, OtherDelimiters) {
  ReadOptions options;
  options.delimiter = ';';
  EXPECT_EQ(rows_of("text;label\n\"a;b\";1\n", options, SourceFormat::csv)[0].text, "a;b");
  EXPECT_EQ(rows_of("text;label\na\tb;1\n", options)[0].text, "a\tb");
  EXPECT_EQ(delimiter_of("tab"), '\t');
  EXPECT_EQ(delimiter_of(""), '\0');
  for (const char* wrong : {"ab", "\"", "\n", "\r", "\xC3", "\xC3\xA9"}) EXPECT_FALSE(delimiter_of(wrong)) << wrong;
  EXPECT_FALSE(delimiter_of(std::string_view("\0", 1)));
}

TEST(Reader, LineEndsByteOrderMarkAndBlankLines) {
  const auto rows = rows_of("\xEF\xBB\xBFtext\tlabel\r\n\r\na\t1\r\n\nb\t0", {});
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].labels[0], "1");
  EXPECT_EQ(rows[0].line, 3u);
  EXPECT_EQ(rows[1].line, 5u);
}

TEST(Reader, CsvQuotes) {
  const auto rows = rows_of("text,label\r\n\"a \"\"b\"\", c\r\nd\",1\r\n5\" nail,0\r\n", {}, SourceFormat::csv);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].text, "a \"b\", c\r\nd");
  EXPECT_EQ(rows[1].text, "5\" nail");
  EXPECT_EQ(rows[1].line, 4u);
  for (const char* end : {"\n", "\r", "\r\n"})
    EXPECT_EQ(rows_of(fmt::format("text,label{0}\"a{0}b{0}{0}c\",1{0}d,0{0}", end), {}, SourceFormat::csv)[1].line, 6u);
  EXPECT_SAYS(error_for("text,label\n\"a,1\nb,0\n", {}, SourceFormat::csv), "data.x:2: the quote that opens here is never closed");
  EXPECT_SAYS(error_for("text,label\n\"a\"x,1\n", {}, SourceFormat::csv), "data.x:2: expected ','");
}

TEST(Reader, LabelsOfEveryKind) {
  ReadOptions options;
  options.label_kind = LabelKind::several;
  const auto several = rows_of("text\tlabel\na\tx, y,x\nb\t\n", options);
  EXPECT_EQ(several[0].labels, (std::vector<std::string>{"x", "y"}));
  EXPECT_TRUE(several[1].labels.empty());
  const auto array = rows_of(R"({"text": "a", "label": ["y", 3, true]})", options, SourceFormat::jsonl);
  EXPECT_EQ(array[0].labels, (std::vector<std::string>{"y", "3", "true"}));
  options.label_kind = LabelKind::number;
  EXPECT_EQ(rows_of("text\tlabel\na\t-2.5e1\n", options)[0].target, -25);
  EXPECT_EQ(rows_of(R"({"text": "a", "label": 0.125})", options, SourceFormat::jsonl)[0].target, 0.125);
  EXPECT_SAYS(error_for("text\tlabel\na\t1\nb\tfive\n", options), "data.x:3: row 2: expected a finite number as label, found 'five'");
  options.label_kind = LabelKind::one;
  EXPECT_SAYS(error_for(R"({"text": "a", "label": ["x", "y"]})", options, SourceFormat::jsonl), "expected one label, found 2");
}

TEST(Reader, EveryWrongRowIsNamed) {
  EXPECT_SAYS(error_for("text\tlabel\na\t1\n  \t0\n"), "data.x:3: row 2: the text is empty");
  EXPECT_SAYS(error_for("text\tlabel\na\t1\nb\n"), "data.x:3: row 2: expected 2 columns, found 1");
  EXPECT_SAYS(error_for("text\tlabel\na\t \n"), "data.x:2: row 1: the label is missing");
  EXPECT_SAYS(error_for("sentence\tlabel\na\t1\n"), "data.x:1: expected a column 'text' (text), found the columns sentence, label");
  EXPECT_SAYS(error_for("a\tb\tc\n"), "names none of the wanted columns (text, label) and has 3 cells");
  EXPECT_SAYS(error_for(""), "the file is empty");
  EXPECT_SAYS(error_for("text\tlabel\n"), "expected rows, found a header alone");
  ReadOptions weighted;
  weighted.weight = "w";
  for (const char* weight : {"heavy", "-1", "inf", "nan", "", "1e999", "1e300", "3.5e38"})
    EXPECT_SAYS(error_for(fmt::format("text\tlabel\tw\na\t1\t{}\n", weight), weighted), "data.x:2: row 1: ") << weight;
  ReadOptions number;
  number.label_kind = LabelKind::number;
  EXPECT_SAYS(error_for("text\tlabel\na\t-1e300\n", number),
              "data.x:2: row 1: expected a finite number as label, found '-1e300': a float reaches");
  EXPECT_SAYS(error_for(R"({"text": "a", "label": 1e300})", number, SourceFormat::jsonl),
              "data.x:1: row 1: expected a finite number as label");
  ReadOptions known;
  known.label_names = {"good", "bad"};
  EXPECT_SAYS(error_for("text\tlabel\na\tgod\n", known), "data.x:2: row 1: unknown label 'god': expected one of good, bad");
  known.label_names.clear();
  for (int i = 0; i < 500; ++i) known.label_names.push_back(std::to_string(i));
  EXPECT_SAYS(error_for("text\tlabel\na\tgod\n", known), "expected one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 490 more;");
  EXPECT_SAYS(error_for("text\tlabel\na\t\x1b[2J\n", known), "unknown label '\\x1b[2J'") << "it must not clear the terminal";
  std::string many = "{\"label\": 1";
  for (int i = 0; i < 500; ++i) many += fmt::format(", \"key{:03}\": 1", i);
  EXPECT_SAYS(error_for(many + "}", {}, SourceFormat::jsonl), "key009 and 491 more: name the right one");
  ReadOptions split;
  split.split = "part";
  EXPECT_SAYS(error_for("text\tlabel\tpart\na\t1\ttrain\na\t1\t../up\n", split),
              "data.x:3: row 2: split '../up': expected a name of at most 64");
  EXPECT_SAYS(error_for("{\"text\": \"a\", \"label\": 1}\n{\"text\": }\n", {}, SourceFormat::jsonl), "data.x:2: row 2: not valid JSON");
  EXPECT_SAYS(error_for("[1]\n", {}, SourceFormat::jsonl), "data.x:1: row 1: expected a JSON object, found array");
  EXPECT_SAYS(error_for("{\"txt\": \"a\", \"label\": 1}\n", {}, SourceFormat::jsonl), "expected the key 'text' (text), found label, txt");
  EXPECT_SAYS(error_for("{\"wav\": \"a.wav\", \"text\": \"a\"}\n", {}, SourceFormat::jsonl),
              "found text, wav: name the right one; if 'wav' names recordings, this is speech: shard it with --audio i16");
  EXPECT_SAYS(error_for("audio\twho\tsentence\na.wav\tb\tc\n"), "or say the number of each column, from 0; if 'audio' names recordings, ");
  EXPECT_SAYS(error_for("{\"text\": 5, \"label\": 1}\n", {}, SourceFormat::jsonl), "expected a string, found number");
  EXPECT_SAYS(error_of([] { RowReader("rows.parquet", {}); }), "rows.parquet");
  EXPECT_SAYS(error_of([] { format_of("rows.parquet", SourceFormat::by_name); }), "expected .tsv, .csv or .jsonl");
}

TEST(Reader, BadRowsAreSkippedAndCountedOnRequest) {
  ReadOptions options;
  options.skip_bad_rows = true;
  ReadCounts counts;
  const auto rows = rows_of("text\tlabel\n\t1\na\t1\nragged\nb\t\nc\t0\n", options, SourceFormat::tsv, &counts);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[1].text, "c");
  EXPECT_EQ(counts.skipped, 3u);
  EXPECT_EQ(rows_of("{\n{\"text\": \"a\", \"label\": 1}\n", options, SourceFormat::jsonl).size(), 1u);
}

TEST(Reader, ForeignBytesAreRepairedAndCounted) {
  for (const auto& [content, format] :
       {std::pair{std::string("text\tlabel\ncaf\xE9 noir\t1\nfine\t0\n"), SourceFormat::tsv},
        {std::string("{\"text\": \"caf\xE9 noir\", \"label\": 1}\n{\"text\": \"fine\", \"label\": 0}\n"), SourceFormat::jsonl}}) {
    ReadCounts counts;
    EXPECT_EQ(rows_of(content, {}, format, &counts)[0].text, "caf\xEF\xBF\xBD noir");
    EXPECT_EQ(counts.repaired, 1u);
  }
}

TEST(Reader, ManyLabelsOfARowAreQuick) {
  std::string row = "text\tlabel\na\t";
  for (int i = 0; i < 200'000; ++i) row += fmt::format("label {},", i);
  ReadOptions options;
  options.label_kind = LabelKind::several;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(rows_of(row + "\n", options)[0].labels.size(), 200'000u);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

// Whatever bytes come, the parsers end with rows or with a DataError.
TEST(Reader, AnyBytesAreRowsOrAnError) {
  const std::string seed = "text,label\n\"a \"\"b\"\"\r\nc\",1\nd\t0\n{\"text\": \"a\", \"label\": [1]}\n\xEF\xBB\xBF\xC3\xA9";
  std::uint64_t state = 1;
  const auto random = [&] { return state = state * 6364136223846793005u + 1442695040888963407u, static_cast<std::size_t>(state >> 33); };
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = seed;
    for (std::size_t change = random() % 8; change-- > 0;) {
      const std::size_t at = random() % bytes.size();
      if (random() % 3 == 0) bytes.erase(at, random() % 5);
      else if (random() % 2 == 0) bytes.insert(at, seed.substr(random() % seed.size(), random() % 9));
      else bytes[at] = static_cast<char>(random());
      if (bytes.empty()) bytes = "\"";
    }
    ReadOptions options;
    options.skip_bad_rows = round % 2 == 0;
    options.header = round % 3 == 0 ? Header::no : Header::automatic;
    options.label_kind = static_cast<LabelKind>(round % 4);
    for (const SourceFormat format : {SourceFormat::tsv, SourceFormat::csv, SourceFormat::jsonl})
      error_of([&] { rows_of(bytes, options, format); });
  }
}

}  // namespace
}  // namespace thaw
