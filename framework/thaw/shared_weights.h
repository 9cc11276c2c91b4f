// Frozen weights in the type that layers compute with, where the model's file has another: a copy a node instead of a copy a rank.
#pragma once

#include <string>

#include "framework/comm/communicator.h"
#include "framework/models/model.h"

namespace thaw {

// Model::set_precision, with the copies of mapped parameters in memory that the ranks of a node share until they learn.
// Collective over the ranks of `comm`, which have loaded the same files. Where there is no such memory every rank has its own
// copies; gives the reason, else "".
std::string set_precision_together(Model& model, at::ScalarType type, Communicator& comm);

}  // namespace thaw
