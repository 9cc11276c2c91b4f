// Lightning's schedule files of gradual unfreezing, against the names of a small model.
#include "framework/thaw/fts_schedule.h"

#include "tests/fuzz/fuzz.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ModelNames names = numbered_blocks(2);
  for (const char* name : {"bert.embeddings.word_embeddings.weight", "bert.encoder.layer.0.attention.self.query.weight",
                           "bert.encoder.layer.0.output.dense.bias", "bert.encoder.layer.1.attention.self.query.weight",
                           "bert.pooler.dense.weight", "classifier.weight", "classifier.bias"})
    names.parameters.emplace_back(name);
  const std::filesystem::path file = fuzz::folder().put("schedule.yaml", fuzz::text_of(data, size));
  for (const std::int64_t patience : {0, 2}) fuzz::accepts([&] { read_fts_schedule(file, names, {2e-5, 10, patience}); });
  return 0;
}
