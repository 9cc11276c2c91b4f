// JSON manifests: an object a line, with NeMo's keys (audio_filepath, duration, text, offset), ESPnet's and WeNet's (key, wav, txt)
// or others that the options name.
#include "datasets/speech/manifest.h"
#include "framework/base/json.h"

namespace thaw {
namespace {

std::string scalar(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.is_null() ? "" : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

void read_jsonl(const fs::path& path, CorpusBuilder& corpus) {
  Lines lines(path, corpus);
  Manifest manifest(corpus, lines.file(), root_of(path, corpus.options()));
  std::array<bool, fields> seen{};  // in any row
  std::vector<std::string> first_names;
  std::string first;  // where the first row stands
  for (std::string line; lines.next(line);) {
    const Json row = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!row.is_object()) {
      corpus.bad_row(lines.file(), lines.number(),
                     row.is_discarded() ? "not valid JSON: expected one object a line" : "expected a JSON object");
      continue;
    }
    std::vector<std::string> names;
    std::vector<const Json*> cells;
    for (const auto& [name, value] : row.items()) {
      names.push_back(name);
      cells.push_back(&value);
    }
    if (first.empty()) first_names = names, first = corpus.where(lines.file(), lines.number());
    FieldValues values;
    std::string wrong;
    for (std::size_t f = 0; f < fields; ++f) {
      int place = -1;
      try {
        place = manifest.find(static_cast<Field>(f), names, "this line");
      } catch (const DataError& error) {  // a key that other lines may have
        wrong = error.what();
      }
      if (place < 0) continue;
      seen[f] = true;
      const Json& cell = *cells[static_cast<std::size_t>(place)];
      if (cell.is_structured()) wrong = fmt::format("key '{}': expected a string or number", names[static_cast<std::size_t>(place)]);
      else values[f] = scalar(cell);
    }
    if (wrong.empty()) manifest.add(values, lines.number());
    else corpus.bad_row(lines.file(), lines.number(), wrong);
  }
  if (first.empty()) return;
  for (const Field field : manifest.needed())
    if (!seen[static_cast<std::size_t>(field)]) manifest.lacks(field, "key", first_names, first);
}

}  // namespace thaw
