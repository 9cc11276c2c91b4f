#include "launcher/doctor/network.h"

#include <arpa/inet.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "framework/base/file.h"
#include "framework/base/network.h"

namespace thaw::doctor {
namespace {

// Of what this process has open, as /proc/self/fd names it.
std::set<std::string> open_files() {
  std::set<std::string> targets;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd", error)) {
    std::error_code gone;
    targets.insert(fs::read_symlink(entry.path(), gone).string());
  }
  return targets;
}

// "0100007F:1F90", or an IPv4 address within IPv6: the last four bytes, in the machine's order.
std::string address_in(const std::string& field) {
  const std::string hex = field.substr(0, field.find(':'));
  if (hex.size() != 8 && !(hex.size() == 32 && hex.starts_with("0000000000000000FFFF0000"))) return "";
  const in_addr address{static_cast<in_addr_t>(std::strtoul(hex.substr(hex.size() - 8).c_str(), nullptr, 16))};
  char text[INET_ADDRSTRLEN];
  return ::inet_ntop(AF_INET, &address, text, sizeof text);
}

}  // namespace

Json interfaces() {
  Json found = Json::array();
  for (const Interface& each : interfaces_up()) {
    const std::string speed = first_line(fs::path("/sys/class/net") / each.name / "speed");
    const double megabits = std::strtod(speed.c_str(), nullptr);
    found.push_back({{"name", each.name}, {"address", each.address}, {"mbit_per_s", megabits > 0 ? Json(megabits) : Json()}});
  }
  return found;
}

Json infiniband() {
  Json found = Json::array();
  std::error_code error;
  for (const auto& device : fs::directory_iterator("/sys/class/infiniband", error)) {
    std::error_code none;
    for (const auto& port : fs::directory_iterator(device.path() / "ports", none))
      if (first_line(port.path() / "state").find("ACTIVE") != std::string::npos)
        found.push_back({{"name", device.path().filename().string()}, {"rate", first_line(port.path() / "rate")}});
  }
  return found;
}

std::vector<std::string> interfaces_towards(const std::vector<std::string>& peers) {
  const std::set<std::string> open = open_files();
  std::set<std::string> locals;
  for (const char* table : {"/proc/self/net/tcp", "/proc/self/net/tcp6"}) {
    std::ifstream file(table);
    std::string line;
    std::getline(file, line);  // names of columns
    while (std::getline(file, line)) {
      std::istringstream fields(line);
      std::string number, local, remote, state, inode, skip;
      fields >> number >> local >> remote >> state;
      for (int i = 0; i < 5; ++i) fields >> skip;
      fields >> inode;
      if (state != "01" || !open.contains("socket:[" + inode + "]")) continue;
      if (std::find(peers.begin(), peers.end(), address_in(remote)) != peers.end()) locals.insert(address_in(local));
    }
  }
  std::vector<std::string> names;
  for (const Interface& each : interfaces_up())
    if (locals.contains(each.address)) names.push_back(each.name);
  return names;
}

bool uses_verbs() {
  const std::set<std::string> open = open_files();
  return std::any_of(open.begin(), open.end(), [](const std::string& name) { return name.starts_with("/dev/infiniband/uverbs"); });
}

}  // namespace thaw::doctor
