// The fields of a manifest's row, whatever writes it: which column or key holds each, and the utterance that they make.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "datasets/speech/readers.h"

namespace thaw {

enum class Field { audio, text, id, speaker, language, group, label, split, weight, duration, begin, end };
inline constexpr std::size_t fields = static_cast<std::size_t>(Field::end) + 1;

// What an utterance's fields say in a row; nothing where there is no such column.
using FieldValues = std::array<std::optional<std::string>, fields>;

class Manifest {
 public:
  // `file` as the corpus numbers it. Relative paths begin at `root`.
  Manifest(CorpusBuilder& corpus, std::uint32_t file, fs::path root) : corpus_(corpus), file_(file), root_(std::move(root)) {}

  // The name among `names` that holds a field: the one that the options say, else the first usual one. -1: none.
  // DataError where the options name one that is not there.
  int find(Field field, const std::vector<std::string>& names, const std::string& where) const;

  // The fields that the options cannot do without, and the refusal of a manifest that has no `kind` ("column" or "key") for one.
  std::vector<Field> needed() const;
  [[noreturn]] void lacks(Field field, const char* kind, const std::vector<std::string>& names, const std::string& where) const;

  // The row's utterance; or the row is left out as bad, with the reason.
  void add(const FieldValues& values, std::uint64_t line);

 private:
  CorpusBuilder& corpus_;
  std::uint32_t file_;
  fs::path root_;
};

// Where a manifest's relative paths begin.
fs::path root_of(const fs::path& manifest, const CorpusOptions& options);
const char* name_of(Field field);
void check_columns(const CorpusOptions& options);  // DataError for a field that nobody knows

}  // namespace thaw
