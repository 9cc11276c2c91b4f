// A listening socket a host, which the kernel answers for as long as the host is on the network, whatever its ranks do. So a
// rank that waits can find out which host is cut off.
#pragma once

#include <string>
#include <vector>

namespace thaw::doctor {

class Door {
 public:
  Door();  // on any port of any address; port() is 0 where it could not be opened
  ~Door();
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;
  int port() const { return port_; }

 private:
  int socket_ = -1, port_ = 0;
};

struct Neighbour {
  std::string host;
  std::vector<std::string> addresses;
  int port = 0;
};

// Of those with a door, the hosts none of whose addresses answers within `seconds`; all are asked at once.
std::vector<std::string> unreachable(const std::vector<Neighbour>& neighbours, double seconds);

}  // namespace thaw::doctor
