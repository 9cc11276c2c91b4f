// One text, read as CSV, as TSV and as JSONL, for each kind of label.
#include "datasets/shards/reader.h"
#include "tests/fuzz/fuzz.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto source = std::make_shared<SourceText>("fuzz", std::string(fuzz::text_of(data, size)));
  ReadOptions usual, several, by_number;
  several.label_kind = LabelKind::several;
  several.skip_bad_rows = true;
  several.pair = "text_pair";
  by_number.label_kind = LabelKind::number;
  by_number.label = "1";
  by_number.weight = "weight";
  by_number.header = Header::yes;
  by_number.skip_bad_rows = true;
  for (ReadOptions options : {usual, several, by_number})
    for (const SourceFormat format : {SourceFormat::csv, SourceFormat::tsv, SourceFormat::jsonl}) {
      options.format = format;
      fuzz::accepts([&] {
        RowReader reader(source, options);
        for (Row row; reader.next(row);) {
        }
      });
    }
  return 0;
}
