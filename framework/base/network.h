// This machine's name, and where others reach it.
#pragma once

#include <string>
#include <vector>

namespace thaw {

std::string host_name();

struct Interface {
  std::string name, address;  // "eth0", "10.0.0.1"
};
std::vector<Interface> interfaces_up();     // IPv4, without loopback; empty where there are none
std::vector<std::string> host_addresses();  // theirs

}  // namespace thaw
