// What a recipe or a command line says of how a source file is written.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace thaw {

enum class SourceFormat { by_name, tsv, csv, jsonl };  // by_name: .tsv .txt .tab, .csv, .jsonl .ndjson .json; "-": TSV
enum class Header { automatic, yes, no };              // automatic: the first line is one where it names a wanted column

inline const std::vector<std::pair<const char*, SourceFormat>> source_formats{
    {"auto", SourceFormat::by_name}, {"tsv", SourceFormat::tsv}, {"csv", SourceFormat::csv}, {"jsonl", SourceFormat::jsonl}};
inline const std::vector<std::pair<const char*, Header>> headers{{"auto", Header::automatic}, {"yes", Header::yes}, {"no", Header::no}};

// "tab", or one character of ASCII but a quote or the end of a line; 0 for "": as is usual for the format.
inline constexpr const char* delimiter_words = "one character (no quote), or tab";
inline std::optional<char> delimiter_of(std::string_view text) {
  if (text.empty()) return '\0';
  if (text == "tab") return '\t';
  if (text.size() != 1 || static_cast<unsigned char>(text[0]) >= 0x80 ||
      std::string_view("\"\n\r\0", 4).find(text[0]) != std::string_view::npos)
    return {};
  return text[0];
}
inline std::string name_of_delimiter(char delimiter) {
  return delimiter == '\0' ? "" : delimiter == '\t' ? "tab" : std::string(1, delimiter);
}

}  // namespace thaw
