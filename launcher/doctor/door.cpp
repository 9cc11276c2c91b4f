#include "launcher/doctor/door.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "framework/base/clock.h"

namespace thaw::doctor {

Door::Door() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  socklen_t length = sizeof address;
  if (socket_ >= 0 && ::bind(socket_, reinterpret_cast<sockaddr*>(&address), length) == 0 && ::listen(socket_, 1024) == 0 &&
      ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length) == 0)
    port_ = ntohs(address.sin_port);
}

Door::~Door() {
  if (socket_ >= 0) ::close(socket_);
}

std::vector<std::string> unreachable(const std::vector<Neighbour>& neighbours, double seconds) {
  std::vector<pollfd> calls;
  std::vector<std::size_t> whose;
  std::set<std::size_t> answered;
  for (std::size_t i = 0; i < neighbours.size(); ++i)
    for (const std::string& text : neighbours[i].addresses) {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(static_cast<std::uint16_t>(neighbours[i].port));
      if (neighbours[i].port == 0 || ::inet_pton(AF_INET, text.c_str(), &address.sin_addr) != 1) continue;
      const int call = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      if (call < 0) continue;
      if (::connect(call, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) answered.insert(i);
      calls.push_back({call, POLLOUT, 0});
      whose.push_back(i);
    }
  const auto start = Clock::now();
  for (double left = seconds; left > 0; left = seconds - seconds_since(start)) {
    if (::poll(calls.data(), calls.size(), static_cast<int>(left * 1000) + 1) <= 0) break;
    for (std::size_t c = 0; c < calls.size(); ++c) {
      if (calls[c].revents == 0) continue;
      int error = 0;
      socklen_t length = sizeof error;
      ::getsockopt(calls[c].fd, SOL_SOCKET, SO_ERROR, &error, &length);
      // A refusal comes from a host that is there.
      if (error == 0 || error == ECONNREFUSED) answered.insert(whose[c]);
      ::close(calls[c].fd);
      calls[c].fd = -1;
    }
  }
  for (const pollfd& call : calls)
    if (call.fd >= 0) ::close(call.fd);
  std::vector<std::string> silent;
  for (std::size_t i = 0; i < neighbours.size(); ++i)
    if (neighbours[i].port != 0 && !answered.contains(i)) silent.push_back(neighbours[i].host);
  return silent;
}

}  // namespace thaw::doctor
