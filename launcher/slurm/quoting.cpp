#include "launcher/slurm/quoting.h"

#include <algorithm>

#include "framework/base/error.h"

namespace thaw {
namespace {

bool control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

bool plain(std::string_view text, std::string_view also) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || also.find(c) != std::string_view::npos;
  });
}

}  // namespace

std::string shell_quoted(std::string_view text) {
  if (plain(text, "_-+./:,@%=")) return std::string(text);
  std::string out;
  if (std::none_of(text.begin(), text.end(), control)) {
    for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return "'" + out + "'";
  }
  for (const char c : text) {
    if (control(c)) out += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
    else out += c == '\'' || c == '\\' ? fmt::format("\\{}", c) : std::string(1, c);
  }
  return "$'" + out + "'";
}

std::string sbatch_quoted(std::string_view text) {
  if (std::any_of(text.begin(), text.end(), control))
    throw UsageError("{}: expected no line ends or other control characters in what is passed to sbatch", printable(shell_quoted(text)));
  if (plain(text, "_-+./:,@%=*[]!&|()$")) return std::string(text);
  std::string out;  // in sbatch's double quotes a backslash takes the next character as it is, and $ means nothing
  for (const char c : text) out += c == '"' || c == '\\' ? fmt::format("\\{}", c) : std::string(1, c);
  return "\"" + out + "\"";
}

std::string sbatch_directory(std::string_view path) {
  if (path.find('\\') != std::string_view::npos)
    throw UsageError("{}: sbatch cannot write its output below a directory with a backslash in its name; choose another output_dir", path);
  std::string out;
  for (const char c : path) out += c == '%' ? std::string("%%") : std::string(1, c);
  return out;
}

}  // namespace thaw
