// Which way messages really go: this host's interfaces, and the sockets that this process has open to other hosts.
#pragma once

#include <string>
#include <vector>

#include "framework/base/json.h"

namespace thaw::doctor {

Json interfaces();  // name, address, Mbit/s (null where the driver does not tell)
Json infiniband();  // devices with a port that is active: name, rate; empty without one

// By the established TCP connections of this process: the interfaces towards any of `peers`. Empty where there are none, as
// with InfiniBand, shared memory, or before the first message.
std::vector<std::string> interfaces_towards(const std::vector<std::string>& peers);
bool uses_verbs();  // this process has an InfiniBand device open

}  // namespace thaw::doctor
