#include "framework/comm/gradient_sync.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <utility>

#include "framework/base/clock.h"
#include "framework/base/error.h"

namespace thaw {
namespace {

// Runs after a leaf's gradient was accumulated, on the thread of backward.
class LeafHook final : public torch::autograd::PostAccumulateGradHook {
 public:
  explicit LeafHook(std::function<void(const at::Tensor&)> call) : call_(std::move(call)) {}
  void operator()(const torch::autograd::Variable& leaf) override { call_(leaf); }

 private:
  std::function<void(const at::Tensor&)> call_;
};

void set_hook(const at::Tensor& leaf, std::unique_ptr<torch::autograd::PostAccumulateGradHook> hook) {
  torch::autograd::impl::set_post_acc_grad_hooks(leaf, std::move(hook));
}

}  // namespace

GradientSync::GradientSync(std::shared_ptr<Communicator> host, std::shared_ptr<Communicator> buckets,
                           std::vector<SyncedParameter> parameters, std::size_t bucket_bytes)
    : host_(std::move(host)), buckets_comm_(std::move(buckets)) {
  entries_.resize(parameters.size());
  std::int64_t filled = 0;
  const auto limit = static_cast<std::int64_t>(bucket_bytes / sizeof(float));
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    Entry& entry = entries_[i];
    entry.parameter = std::move(parameters[i]);
    if (entry.parameter.sparse) {
      entry.gradient = at::zeros(entry.parameter.leaf.sizes(), entry.parameter.leaf.options().dtype(at::kFloat).requires_grad(false));
      entry.touched = at::empty({0}, entry.gradient.options().dtype(at::kLong));
    } else {
      if (buckets_.empty() || (filled > 0 && filled + entry.parameter.leaf.numel() > limit)) {
        buckets_.emplace_back();
        filled = 0;
      }
      entry.bucket = static_cast<int>(buckets_.size()) - 1;
      buckets_.back().entries.push_back(i);
      filled += entry.parameter.leaf.numel();
    }
    set_hook(entry.parameter.leaf, std::make_unique<LeafHook>([this, i](const at::Tensor& leaf) { receive(i, leaf); }));
  }
  for (Bucket& bucket : buckets_) {
    std::int64_t total = 0, offset = 0;
    for (const std::size_t i : bucket.entries) total += entries_[i].parameter.leaf.numel();
    bucket.flat = at::zeros({total}, entries_[bucket.entries.front()].parameter.leaf.options().dtype(at::kFloat).requires_grad(false));
    for (const std::size_t i : bucket.entries) {
      const at::Tensor& leaf = entries_[i].parameter.leaf;
      entries_[i].gradient = bucket.flat.narrow(0, offset, leaf.numel()).view(leaf.sizes());
      offset += leaf.numel();
    }
  }
}

GradientSync::~GradientSync() {
  for (Entry& entry : entries_) set_hook(entry.parameter.leaf, nullptr);
}

void GradientSync::begin(int passes) {
  passes_ = passes;
  next_bucket_ = 0;
  bytes_ = 0;
  for (Entry& entry : entries_) entry.passes = 0;
  for (Bucket& bucket : buckets_) bucket.ready = 0;
}

// The first gradient of a step overwrites the last step's sum, so that nothing is zeroed beforehand.
void GradientSync::receive(std::size_t index, const at::Tensor& leaf) {
  const at::NoGradGuard no_grad;
  Entry& entry = entries_[index];
  at::Tensor& gradient = leaf.mutable_grad();
  if (entry.parameter.sparse) {
    entry.sparse_ids.push_back(gradient._indices()[0]);
    entry.sparse_rows.push_back(gradient._values().to(at::kFloat));
  } else if (entry.passes == 0) {
    entry.gradient.copy_(gradient);
  } else {
    entry.gradient.add_(gradient);
  }
  gradient = at::Tensor();
  if (++entry.passes == passes_ && entry.bucket >= 0) {
    ++buckets_[static_cast<std::size_t>(entry.bucket)].ready;
    launch_ready(false);
  }
  progress();
}

void GradientSync::launch_ready(bool all) {
  for (; next_bucket_ < buckets_.size(); ++next_bucket_) {
    Bucket& bucket = buckets_[next_bucket_];
    if (!all && bucket.ready < bucket.entries.size()) return;
    if (all)
      for (const std::size_t i : bucket.entries)
        if (entries_[i].passes == 0) entries_[i].gradient.zero_();
    bytes_ += static_cast<std::uint64_t>(bucket.flat.numel()) * sizeof(float);
    bucket.request = buckets_comm_->all_reduce_async(bucket.flat.data_ptr(), static_cast<std::size_t>(bucket.flat.numel()), CommType::f32);
  }
}

void GradientSync::progress() {
  for (std::size_t i = 0; i < next_bucket_; ++i)
    if (buckets_[i].request && buckets_[i].request->test()) buckets_[i].request.reset();
}

void GradientSync::finish() {
  const auto start = Clock::now();
  launch_ready(true);
  for (Bucket& bucket : buckets_)
    if (auto request = std::move(bucket.request)) request->wait();
  for (Entry& entry : entries_)
    if (entry.parameter.sparse) exchange_sparse(entry);
  wait_s_ = seconds_since(start);
}

// Every rank adds the rows of rank 0, 1, … in turn: the same sum, in the same order, everywhere.
void GradientSync::exchange_sparse(Entry& entry) {
  const at::NoGradGuard no_grad;
  const std::int64_t width = entry.gradient.numel() / std::max<std::int64_t>(entry.gradient.size(0), 1);
  entry.gradient.index_fill_(0, entry.touched, 0);
  at::Tensor ids = at::empty({0}, at::kLong), rows = at::empty({0, width});
  if (!entry.sparse_ids.empty()) {
    const at::Tensor sum =
        at::sparse_coo_tensor(at::cat(entry.sparse_ids).unsqueeze(0), at::cat(entry.sparse_rows), entry.gradient.sizes()).coalesce();
    ids = sum._indices()[0].to(at::kCPU).contiguous();
    rows = sum._values().to(at::kCPU).contiguous();
  }
  entry.sparse_ids.clear();
  entry.sparse_rows.clear();

  const auto ranks = static_cast<std::size_t>(host_->size());
  std::vector<std::int64_t> counts(ranks);
  const std::int64_t mine = ids.size(0);
  host_->all_gather(&mine, sizeof mine, counts.data());
  const std::int64_t most = *std::max_element(counts.begin(), counts.end());
  if (most == 0) {
    entry.touched = entry.touched.narrow(0, 0, 0);
    return;
  }
  // One message a rank: its ids, then its rows, padded to the longest rank's.
  const std::size_t bytes = static_cast<std::size_t>(most) * (sizeof(std::int64_t) + static_cast<std::size_t>(width) * sizeof(float));
  std::vector<char> message(bytes), all(bytes * ranks);
  std::memcpy(message.data(), ids.data_ptr<std::int64_t>(), static_cast<std::size_t>(mine) * sizeof(std::int64_t));
  std::memcpy(message.data() + static_cast<std::size_t>(most) * sizeof(std::int64_t), rows.data_ptr<float>(),
              static_cast<std::size_t>(mine * width) * sizeof(float));
  host_->all_gather(message.data(), bytes, all.data());
  bytes_ += bytes;
  std::vector<at::Tensor> touched;
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    char* const part = all.data() + rank * bytes;
    const at::Device device = entry.gradient.device();
    const at::Tensor rank_ids = at::from_blob(part, {counts[rank]}, at::kLong).to(device, at::kLong, /*non_blocking=*/false, /*copy=*/true);
    const at::Tensor rank_rows =
        at::from_blob(part + static_cast<std::size_t>(most) * sizeof(std::int64_t), {counts[rank], width}, at::kFloat);
    entry.gradient.index_add_(0, rank_ids, rank_rows.to(device));
    touched.push_back(rank_ids);
  }
  entry.touched = std::get<0>(at::_unique(at::cat(touched), /*sorted=*/true));
}

}  // namespace thaw
