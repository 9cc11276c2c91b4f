#include "launcher/supervisor/output.h"

#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <utility>

#include "framework/base/text.h"

namespace thaw {
namespace {

constexpr std::size_t lines_of_rank = 20, lines_of_all = 200, longest_line = 64 * 1024, at_once = 1 << 20;

struct Tag {
  std::size_t at = std::string_view::npos, size = 0;
  int rank = 0;
  bool standard_output = false;
};

// The next "[JOB,RANK]<stdout>:" or "<stderr>:" from `from` on.
Tag find_tag(std::string_view line, std::size_t from) {
  for (std::size_t at = line.find('[', from); at != std::string_view::npos; at = line.find('[', at + 1)) {
    const std::size_t comma = line.find(',', at), bracket = line.find(']', at);
    if (comma == std::string_view::npos || bracket == std::string_view::npos || comma > bracket) continue;
    if (line.substr(at + 1, comma - at - 1).find_first_not_of("0123456789") != std::string_view::npos || comma == at + 1) continue;
    Tag tag{at, 0, 0, line.substr(bracket + 1, 9) == "<stdout>:"};
    if (!tag.standard_output && line.substr(bracket + 1, 9) != "<stderr>:") continue;
    const auto [stop, error] = std::from_chars(line.data() + comma + 1, line.data() + bracket, tag.rank);
    if (error != std::errc() || stop != line.data() + bracket) continue;
    tag.size = bracket + 10 - at;
    return tag;
  }
  return {};
}

void keep(std::deque<std::string>& lines, std::string line, std::size_t most) {
  lines.push_back(std::move(line));
  if (lines.size() > most) lines.pop_front();
}

// "mpirun noticed that process rank 1 with PID 0 on node vm exited on signal 9 (Killed)."
bool tells_of_signal(std::string_view line, int& rank, std::string& signal) {
  constexpr std::string_view before = "process rank ", sent = " exited on ";
  const std::size_t at = line.find(before), exited = line.find(sent);
  if (at == std::string_view::npos || exited == std::string_view::npos || exited < at) return false;
  const auto [stop, error] = std::from_chars(line.data() + at + before.size(), line.data() + exited, rank);
  signal = std::string(trim(line.substr(exited + sent.size())));
  if (signal.ends_with('.')) signal.pop_back();
  return error == std::errc();
}

}  // namespace

std::vector<OutputLine> untag(std::string_view line) {
  std::vector<OutputLine> parts;
  Tag tag = find_tag(line, 0);
  if (tag.at != 0 && !line.empty()) parts.push_back({-1, false, std::string(line.substr(0, tag.at))});
  while (tag.at != std::string_view::npos) {
    const Tag next = find_tag(line, tag.at + tag.size);
    const std::size_t begin = tag.at + tag.size, end = std::min(next.at, line.size());
    parts.push_back({tag.rank, tag.standard_output, std::string(line.substr(begin, end - begin))});
    tag = next;
  }
  return parts;
}

Output::Output(std::filesystem::path file, std::filesystem::path folder, std::function<void(const OutputLine&)> show)
    : file_(std::move(file)), folder_(std::move(folder)), show_(std::move(show)) {}

void Output::look(bool at_the_end) {
  std::ifstream in(file_, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(read_));
  std::string block(at_once, '\0');
  do {
    in.read(block.data(), static_cast<std::streamsize>(block.size()));
    const std::string_view came(block.data(), static_cast<std::size_t>(in.gcount()));
    read_ += came.size();
    rest_ += came;
    std::size_t begin = 0;
    for (std::size_t end = rest_.find('\n'); end != std::string::npos; begin = end + 1, end = rest_.find('\n', begin))
      take(std::string_view(rest_).substr(begin, end - begin));
    rest_.erase(0, begin);
    if (rest_.size() > longest_line) take(std::exchange(rest_, ""));
  } while (at_the_end && in);
  if (at_the_end && !rest_.empty()) take(std::exchange(rest_, ""));
  for (const auto& [rank, text] : std::exchange(to_write_, {}))
    std::ofstream(folder_ / (rank < 0 ? "mpirun.log" : fmt::format("rank-{:05}.log", rank)), std::ios::app) << text;
}

void Output::take(std::string_view line) {
  for (const OutputLine& part : untag(line)) {
    std::string text = printable(part.text);
    to_write_[part.rank] += text + "\n";
    if (part.rank < 0) {
      int rank = 0;
      std::string signal;
      if (tells_of_signal(text, rank, signal)) killed_by_[rank] = signal;
    }
    keep(last_[part.rank], text, lines_of_rank);
    keep(recent_, part.rank < 0 ? text : fmt::format("[{}] {}", part.rank, text), lines_of_all);
    show_({part.rank, part.standard_output, std::move(text)});
  }
}

std::vector<std::string> Output::last_lines(int rank) const {
  const auto found = last_.find(rank);
  return found == last_.end() ? std::vector<std::string>{} : std::vector<std::string>(found->second.begin(), found->second.end());
}

std::string Output::killed_by(int rank) const {
  const auto found = killed_by_.find(rank);
  return found == killed_by_.end() ? "" : found->second;
}

}  // namespace thaw
