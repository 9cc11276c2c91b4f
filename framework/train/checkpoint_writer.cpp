#include "framework/train/checkpoint_writer.h"

#include <chrono>

#include "framework/base/error.h"
#include "framework/base/signals.h"

namespace thaw {
namespace {

template <typename Work>
auto in_background(Work work) {
  const SignalsBlocked blocked;
  return std::async(std::launch::async, std::move(work));
}

template <typename T>
bool ready(const std::future<T>& future) {
  return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

// The tensors that one of some writers writes, copied unless they are mapped, and with the first one's the values: its pieces,
// and of what all ranks have an equal part, by bytes, in the order of names.
State share_of(const State& state, int writer, int of) {
  State share;
  if (writer == 0) share.values = state.values;
  std::size_t total = 0, before = 0;
  for (const auto& [name, tensor] : state.tensors)
    if (!state.pieces.contains(name)) total += tensor.nbytes();
  for (const auto& [name, tensor] : state.tensors) {
    bool mine = false;
    if (const auto piece = state.pieces.find(name); piece != state.pieces.end()) {
      mine = tensor.numel() > 0;
      if (mine) share.pieces.insert(*piece);
    } else {
      const std::size_t middle = before + tensor.nbytes() / 2;
      mine = static_cast<int>(middle * static_cast<std::size_t>(of) / std::max<std::size_t>(total, 1)) == writer;
      before += tensor.nbytes();
    }
    if (!mine) continue;
    const bool mapped = state.mapped.contains(name);
    share.tensors[name] = tensor.detach().to(at::kCPU, tensor.scalar_type(), /*non_blocking=*/false, /*copy=*/!mapped);
    if (mapped) share.mapped.insert(name);
  }
  return share;
}

// Of the other ranks' pieces a share for the first rank, which writes for all; nothing on the others.
State pieces_of_others(const State& state, Communicator& comm) {
  Json mine = Json::array();
  for (const auto& [name, first] : state.pieces) {
    const at::Tensor& piece = state.tensors.at(name);
    if (piece.numel() == 0) continue;
    mine.push_back({name, first, piece.numel(), static_cast<int>(piece.scalar_type())});
  }
  State others;
  const std::vector<std::string> lists = comm.all_gather_text(mine.dump());
  for (int of = 1; of < comm.size(); ++of)
    for (const Json& entry : Json::parse(lists[static_cast<std::size_t>(of)])) {
      const std::string name = entry[0];
      if (comm.rank() == of) {
        const at::Tensor piece = state.tensors.at(name).to(at::kCPU).contiguous();
        comm.send(piece.data_ptr(), piece.nbytes(), 0, 0);
      } else if (comm.rank() == 0) {
        const at::Tensor piece = at::empty({entry[2].get<std::int64_t>()}, static_cast<at::ScalarType>(entry[3].get<int>()));
        comm.receive(piece.data_ptr(), piece.nbytes(), of, 0);
        others.tensors[piece_name(name, entry[1].get<std::int64_t>())] = piece;
      }
    }
  return others;
}

}  // namespace

CheckpointWriter::CheckpointWriter(Communicator& comm, RunDirectory* run, std::filesystem::path path, std::int64_t keep)
    : comm_(comm), run_(run), path_(std::move(path)), keep_(keep) {
  if (run_ != nullptr) generation_ = run_->generation();
  comm_.broadcast(&generation_, sizeof generation_, 0);
}

CheckpointWriter::~CheckpointWriter() = default;

void CheckpointWriter::begin(std::int64_t step, const State& state, bool is_best) {
  finish();
  place_ = CheckpointPlace{path_, step, generation_};
  is_best_ = is_best;
  if (run_ != nullptr) {
    run_->check();
    begin_checkpoint(*place_);
  }
  comm_.barrier();
  std::int64_t seen = fs::exists(place_->temporary()) ? 1 : 0;
  comm_.all_reduce(&seen, 1, CommType::i64, CommOp::min);
  const int writers = seen == 1 ? comm_.size() : 1;
  State others;
  if (writers < comm_.size()) others = pieces_of_others(state, comm_);
  if (comm_.rank() >= writers) return;
  State share = share_of(state, comm_.rank(), writers);
  share.tensors.merge(others.tensors);
  share_ = in_background(
      [place = *place_, share = std::move(share), writer = comm_.rank(), writers] { return write_share(place, share, writer, writers); });
}

bool CheckpointWriter::written() {
  if (publishing_.valid() && ready(publishing_)) publishing_.get();
  return !share_.valid() || ready(share_);
}

void CheckpointWriter::publish() {
  const Json mine = share_.valid() ? share_.get() : Json::object();
  Json files = Json::object();
  for (const std::string& written : comm_.all_gather_text(mine.dump())) files.update(Json::parse(written));
  const CheckpointPlace place = *place_;
  place_.reset();
  if (run_ == nullptr) return;
  publishing_ = in_background([place, files, run = run_, keep = keep_, is_best = is_best_] {
    run->check();
    publish_checkpoint(place, files, keep, is_best);
    run->write_status({{"state", "running"}, {"step", place.step}, {"last_checkpoint", checkpoint_name(place.step)}});
  });
}

void CheckpointWriter::finish() {
  if (place_) publish();
  if (publishing_.valid()) publishing_.get();
  comm_.barrier();  // nobody leaves before the last flush
}

}  // namespace thaw
