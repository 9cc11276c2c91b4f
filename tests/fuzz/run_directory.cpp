// What an earlier run left in its directory: each input is its log.jsonl, its status.json and its recipe.yaml in turn.
#include "framework/train/run_directory.h"

#include "tests/fuzz/fuzz.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Recipe recipe = parse_recipe(
      "fuzz.yaml", "recipe: 1\ntask: text-classification\nmodel: m\noutput_dir: run\ndata: {train: train.tsv, eval: dev.tsv}\n");
  const std::string_view text = fuzz::text_of(data, size);
  const std::filesystem::path path = fuzz::folder().path() / "run";
  for (const char* kept : {"log.jsonl", "status.json", "recipe.yaml"}) {
    fuzz::folder().put(std::filesystem::path("run") / kept, text);
    fuzz::accepts([&] {
      RunDirectory run = RunDirectory::open(path, recipe);
      run.truncate_log(2);
      run.append_log({{"step", 3}});
      run.status();
    });
    if (kept == std::string_view("log.jsonl")) fuzz::folder().put("run/log.jsonl", "{\"step\": 1}\n");  // so that it has begun
  }
  fuzz::Folder::clear(path);
  return 0;
}
