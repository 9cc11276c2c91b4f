#include "launcher/supervisor/hosts.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <numeric>
#include <sstream>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/text.h"

namespace thaw {
namespace {

constexpr int most_slots = 1 << 16;  // slots, and nodes of a list

// A whole number from `least` to `most`; −1 where the text is none.
int count_of(std::string_view text, int least) {
  int value = -1;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && stop == text.data() + text.size() && value >= least && value <= most_slots ? value : -1;
}

void add(std::vector<Host>& hosts, const std::string& name, int slots) {
  const auto found = std::find_if(hosts.begin(), hosts.end(), [&](const Host& host) { return host.name == name; });
  if (found == hosts.end()) hosts.push_back({name, slots});
  else found->slots += slots;
}

// Numbers of an inner list, "1-3,07", each with the zeros it is written with.
std::vector<std::string> expand_ranges(std::string_view ranges, std::string_view whole) {
  std::vector<std::string> numbers;
  for (const std::string& range : split(ranges, ',')) {
    const std::size_t dash = range.find('-');
    const std::string first = range.substr(0, dash);
    const int low = count_of(first, 0), high = dash == std::string::npos ? low : count_of(range.substr(dash + 1), 0);
    if (low < 0 || high < low || first.size() > 9)
      throw UsageError("'{}': expected numbers such as [1-3,7] in a list of nodes, found '{}'", whole, range);
    if (static_cast<int>(numbers.size()) + high - low > most_slots) throw UsageError("'{}': more than {} nodes", whole, most_slots);
    for (int number = low; number <= high; ++number) numbers.push_back(fmt::format("{:0{}}", number, first.size()));
  }
  return numbers;
}

}  // namespace

std::vector<Host> parse_hosts(std::string_view text) {
  std::vector<Host> hosts;
  for (const std::string& part : split(text, ',')) {
    const std::size_t colon = part.find(':');
    const std::string name(trim(part.substr(0, colon)));
    const int slots = colon == std::string::npos ? 1 : count_of(trim(std::string_view(part).substr(colon + 1)), 1);
    if (name.empty() || name[0] == '-' || name.find_first_of(" \t") != std::string::npos || slots < 0)
      throw UsageError("--hosts {}: expected HOST or HOST:SLOTS, found '{}'. Example: --hosts node1:4,node2:4", text, part);
    add(hosts, name, slots);
  }
  return hosts;
}

std::vector<Host> read_hostfile(const std::filesystem::path& path) {
  std::vector<Host> hosts;
  std::istringstream lines(read_file(path));
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string name, word;
    if (!(words >> name)) continue;
    int slots = 1;
    while (words >> word) {
      if (word.starts_with("max_slots=") || word.starts_with("max-slots=")) continue;
      slots = word.starts_with("slots=") ? count_of(word.substr(6), 1) : -1;
      if (slots < 0) throw UsageError("{}:{}: expected 'HOST slots=N', found '{}'", path.string(), number, line);
    }
    add(hosts, name, slots);
  }
  if (hosts.empty()) throw UsageError("{}: names no host: expected a line 'HOST slots=N' for each", path.string());
  return hosts;
}

std::vector<std::string> expand_nodelist(std::string_view list) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t end = std::min(list.find_first_of(",[", at), list.size());
    std::vector<std::string> built{std::string(list.substr(at, end - at))};
    at = end;
    while (at < list.size() && list[at] != ',') {  // "rack[1-2]n[1-8]"
      const std::size_t close = list.find(']', at);
      if (close == std::string_view::npos) throw UsageError("'{}': a '[' without its ']' in a list of nodes", list);
      const std::size_t next = std::min(list.find_first_of(",[", close + 1), list.size());
      const std::vector<std::string> numbers = expand_ranges(list.substr(at + 1, close - at - 1), list);
      if (built.size() * numbers.size() + names.size() > most_slots) throw UsageError("'{}': more than {} nodes", list, most_slots);
      std::vector<std::string> longer;
      for (const std::string& before : built)
        for (const std::string& number : numbers) longer.push_back(before + number + std::string(list.substr(close + 1, next - close - 1)));
      built = std::move(longer);
      at = next;
    }
    names.insert(names.end(), built.begin(), built.end());
    ++at;
  }
  return names;
}

std::vector<int> expand_counts(std::string_view counts) {
  std::vector<int> all;
  for (const std::string& part : split(counts, ',')) {
    const std::size_t bracket = part.find("(x");
    const int value = count_of(part.substr(0, bracket), 1);
    const int times = bracket == std::string::npos ? 1 : count_of(part.substr(bracket + 2, part.size() - bracket - 3), 1);
    if (value >= 0 && times >= 0 && all.size() + static_cast<std::size_t>(times) > most_slots)
      throw UsageError("'{}': more than {} nodes", counts, most_slots);
    if (value < 0 || times < 0) throw UsageError("'{}': expected counts such as 4(x3),2, found '{}'", counts, part);
    all.insert(all.end(), static_cast<std::size_t>(times), value);
  }
  return all;
}

std::vector<Host> hosts_of_slurm() {
  const char* const list = std::getenv("SLURM_JOB_NODELIST");
  const char* const tasks = std::getenv("SLURM_TASKS_PER_NODE");
  if (list == nullptr || tasks == nullptr) return {};
  const std::vector<std::string> names = expand_nodelist(list);
  const std::vector<int> slots = expand_counts(tasks);
  if (names.size() != slots.size())
    throw UsageError("SLURM_JOB_NODELIST={} names {} nodes, and SLURM_TASKS_PER_NODE={} is of {}", list, names.size(), tasks, slots.size());
  std::vector<Host> hosts;
  for (std::size_t i = 0; i < names.size(); ++i) hosts.push_back({names[i], slots[i]});
  return hosts;
}

std::string hosts_text(const std::vector<Host>& hosts) {
  std::string text;
  for (const Host& host : hosts) text += fmt::format("{}{}:{}", text.empty() ? "" : ",", host.name, host.slots);
  return text;
}

std::vector<Host> first_for(const std::vector<Host>& hosts, int ranks) {
  std::vector<Host> first;
  for (const Host& host : hosts)
    if (slots_of(first) < ranks) first.push_back(host);
  return first;
}

int slots_of(const std::vector<Host>& hosts) {
  return std::accumulate(hosts.begin(), hosts.end(), 0, [](int sum, const Host& host) { return sum + host.slots; });
}

namespace {

std::string short_name(std::string_view name) {
  const bool address = name.find_first_not_of("0123456789.") == std::string_view::npos || name.find(':') != std::string_view::npos;
  return std::string(address ? name : name.substr(0, name.find('.')));
}

}  // namespace

bool same_host(std::string_view a, std::string_view b) { return short_name(a) == short_name(b); }

std::size_t host_of(int rank, std::string_view reported, const std::vector<Host>& hosts) {
  for (std::size_t i = 0; i < hosts.size(); ++i)
    if (same_host(hosts[i].name, reported)) return i;
  std::size_t host = 0;
  for (int before = hosts.empty() ? 0 : hosts[0].slots; rank >= before && host + 1 < hosts.size();) before += hosts[++host].slots;
  return host;
}

}  // namespace thaw
