// One rank's part in an examination of all: what it knows of itself, then what the ranks measure together, stage by stage.
#pragma once

#include <mutex>
#include <vector>

#include "framework/base/json.h"
#include "framework/comm/communicator.h"
#include "framework/comm/network_model.h"
#include "launcher/doctor/door.h"
#include "launcher/doctor/vigil.h"

namespace thaw::doctor {

// Made before ranks are connected, so that a rank which cannot connect is noticed too.
class Patient {
 public:
  explicit Patient(const LaunchedWorld& world) : world_(world) {}
  const LaunchedWorld& world() const { return world_; }
  const Door& door() const { return door_; }
  // The other hosts, once they are known; read by the vigil's thread.
  std::vector<Neighbour> neighbours() const;
  void meet(std::vector<Neighbour> neighbours);

 private:
  LaunchedWorld world_;
  Door door_;
  mutable std::mutex mutex_;
  std::vector<Neighbour> neighbours_;
};

// Collective; the report is whole on every rank, without "needs" (null).
Json examine(Patient& patient, Communicator& comm, Vigil& vigil);

// The constants that the links had: medians.
NetworkModel network_of_report(const Json& report);

}  // namespace thaw::doctor
