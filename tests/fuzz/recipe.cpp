// A recipe, and after its lines those of the command line: a line that begins with '!' is an override, "!batch.size=32".
// What is accepted must be written and read back the same, and its presets must expand.
#include "framework/train/recipe.h"

#include <vector>

#include "tests/fuzz/fuzz.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string yaml;
  std::vector<std::string> overrides;
  const std::string_view text = fuzz::text_of(data, size);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    const std::string_view line = text.substr(at, end - at);
    if (line.front() == '!') overrides.emplace_back(line.substr(1, line.find_last_not_of('\n')));
    else yaml += line;
    at = end;
  }
  std::optional<Recipe> recipe;
  if (!fuzz::accepts([&] { recipe = parse_recipe("fuzz.yaml", yaml, overrides); })) return 0;

  Recipe again = parse_recipe("fuzz.yaml", to_yaml(*recipe));  // an error here is a finding
  again.file = recipe->file;
  fuzz::require(again == *recipe && differences(*recipe, again).empty());
  if (recipe->thaw.fts_schedule.empty()) fuzz::accepts([&] { expand_thaw(*recipe, numbered_blocks(12)); });
  return 0;
}
