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

// The tensors that one of some writers writes, copied unless they are mapped, and with the first one's the values: by bytes,
// in the order of names.
State share_of(const State& state, int writer, int of) {
  State share;
  if (writer == 0) share.values = state.values;
  std::size_t total = 0, before = 0;
  for (const auto& [name, tensor] : state.tensors) total += tensor.nbytes();
  for (const auto& [name, tensor] : state.tensors) {
    const std::size_t middle = before + tensor.nbytes() / 2;
    if (static_cast<int>(middle * static_cast<std::size_t>(of) / std::max<std::size_t>(total, 1)) == writer) {
      const bool mapped = state.mapped.contains(name);
      share.tensors[name] = tensor.detach().to(at::kCPU, tensor.scalar_type(), /*non_blocking=*/false, /*copy=*/!mapped);
      if (mapped) share.mapped.insert(name);
    }
    before += tensor.nbytes();
  }
  return share;
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
  if (comm_.rank() >= writers) return;
  share_ = in_background([place = *place_, share = share_of(state, comm_.rank(), writers), writer = comm_.rank(), writers] {
    return write_share(place, share, writer, writers);
  });
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
