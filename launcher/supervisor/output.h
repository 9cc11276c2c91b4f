// What the ranks print, out of the one file that mpirun --tag-output writes: shown as it comes, kept by rank.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace thaw {

struct OutputLine {
  int rank = -1;  // -1: mpirun's own
  bool standard_output = false;
  std::string text;
};

// Takes lines apart at their tags, "[1,3]<stderr>:"; ranks that print at once may stand in one line.
std::vector<OutputLine> untag(std::string_view line);

class Output {
 public:
  // `file`: what mpirun writes. Each rank's lines are kept in `folder`/rank-00003.log, mpirun's own in mpirun.log.
  Output(std::filesystem::path file, std::filesystem::path folder, std::function<void(const OutputLine&)> show);

  void look(bool at_the_end = false);                                // reads what has come since; at the end also a line that is not ended
  std::vector<std::string> last_lines(int rank) const;               // of the rank, at most 20
  const std::deque<std::string>& recent() const { return recent_; }  // of all, at most 200, ranks named
  std::string killed_by(int rank) const;                             // "signal 9 (Killed)" where mpirun has said so, else empty

 private:
  void take(std::string_view line);

  std::filesystem::path file_, folder_;
  std::function<void(const OutputLine&)> show_;
  std::uint64_t read_ = 0;
  std::string rest_;
  std::map<int, std::deque<std::string>> last_;
  std::map<int, std::string> killed_by_;
  std::deque<std::string> recent_;
  std::map<int, std::string> to_write_;
};

}  // namespace thaw
