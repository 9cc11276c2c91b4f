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
    bucket.sums = {at::zeros({total}, entries_[bucket.entries.front()].parameter.leaf.options().dtype(at::kFloat).requires_grad(false))};
    for (const std::size_t i : bucket.entries) {
      const at::Tensor& leaf = entries_[i].parameter.leaf;
      entries_[i].offset = offset;
      entries_[i].gradient = bucket.sums.front().narrow(0, offset, leaf.numel()).view(leaf.sizes());
      offset += leaf.numel();
    }
  }
}

GradientSync::~GradientSync() {
  for (Entry& entry : entries_) set_hook(entry.parameter.leaf, nullptr);
}

void GradientSync::begin(std::shared_ptr<const SumTree> tree) {
  tree_ = std::move(tree);
  next_bucket_ = 0;
  bytes_ = sparse_bytes_ = 0;
  hidden_s_ = 0;
  begun_ = looked_ = Clock::now();
  launches_.clear();
  for (Entry& entry : entries_) entry.passes = entry.depth = 0;
  const auto depth = static_cast<std::size_t>(std::max(1, tree_->stack_depth(host_->rank())));
  for (Bucket& bucket : buckets_) {
    bucket.ready = 0;
    while (bucket.sums.size() < depth) bucket.sums.push_back(at::empty_like(bucket.sums.front()));
  }
}

void GradientSync::receive(std::size_t index, const at::Tensor& leaf) {
  const at::NoGradGuard no_grad;
  Entry& entry = entries_[index];
  at::Tensor& gradient = leaf.mutable_grad();
  const int after = own_merges()[static_cast<std::size_t>(entry.passes)];
  if (entry.parameter.sparse) add_sparse(entry, gradient, after);
  else add_dense(entry, gradient, after);
  gradient = at::Tensor();
  if (static_cast<std::size_t>(++entry.passes) == own_merges().size() && entry.bucket >= 0) {
    ++buckets_[static_cast<std::size_t>(entry.bucket)].ready;
    launch_ready(false);
  }
  progress();
}

// What begins a partial sum overwrites the last step's, so that nothing is zeroed beforehand.
void GradientSync::add_dense(Entry& entry, const at::Tensor& gradient, int merges) {
  Bucket& bucket = buckets_[static_cast<std::size_t>(entry.bucket)];
  const auto sum = [&](int place) {
    return bucket.sums[static_cast<std::size_t>(place)].narrow(0, entry.offset, gradient.numel()).view(gradient.sizes());
  };
  if (merges == 0) {
    sum(entry.depth++).copy_(gradient);
    return;
  }
  sum(entry.depth - 1).add_(gradient);
  for (int i = 1; i < merges; ++i, --entry.depth) sum(entry.depth - 2).add_(sum(entry.depth - 1));
}

// The rows of all parts, each id once, ascending.
GradientSync::Rows GradientSync::sum_of(const std::vector<Rows>& parts, std::int64_t table) {
  std::vector<at::Tensor> ids, values;
  for (const Rows& part : parts) {
    ids.push_back(part.ids);
    values.push_back(part.values);
  }
  const at::Tensor all = at::cat(values);
  const at::Tensor sum = at::sparse_coo_tensor(at::cat(ids).unsqueeze(0), all, {table, all.size(1)}).coalesce();
  return {sum._indices()[0], sum._values()};
}

void GradientSync::add_upper_two(std::vector<Rows>& stack, std::int64_t table) {
  const Rows last = stack.back();
  stack.pop_back();
  stack.back() = sum_of({stack.back(), last}, table);
}

// Rows are added within each gradient first where the order is fixed; else all at once at the end, which is less work.
void GradientSync::add_sparse(Entry& entry, const at::Tensor& gradient, int merges) {
  const std::int64_t table = entry.gradient.size(0);
  std::vector<Rows>& sums = entry.sparse;
  sums.push_back({gradient._indices()[0], gradient._values().to(at::kFloat)});
  if (!tree_->is_fixed()) return;
  sums.back() = sum_of({sums.back()}, table);
  for (int i = 0; i < merges; ++i) add_upper_two(sums, table);
}

void GradientSync::launch_ready(bool all) {
  for (; next_bucket_ < buckets_.size(); ++next_bucket_) {
    Bucket& bucket = buckets_[next_bucket_];
    if (!all && bucket.ready < bucket.entries.size()) return;
    launch(bucket);
  }
}

void GradientSync::launch(Bucket& bucket) {
  const int pieces = tree_->pieces(host_->rank());
  for (const std::size_t i : bucket.entries) {
    const Entry& entry = entries_[i];
    if (entry.passes == 0)
      for (int piece = 0; piece < pieces; ++piece)
        bucket.sums[static_cast<std::size_t>(piece)].narrow(0, entry.offset, entry.gradient.numel()).zero_();
    else if (tree_->is_fixed() && static_cast<std::size_t>(entry.passes) != own_merges().size())
      throw CommError(ExitCode::bug, "{} had a gradient from {} of {} passes: their sum has no fixed order", entry.parameter.name,
                      entry.passes, own_merges().size());
  }
  at::Tensor& sum = bucket.sums.front();
  const auto count = static_cast<std::size_t>(sum.numel());
  bytes_ += count * sizeof(float) * static_cast<std::size_t>(std::max(1, pieces));
  launches_.push_back({static_cast<double>(count * sizeof(float)), seconds_since(begun_)});
  if (!tree_->is_fixed()) {
    bucket.request = buckets_comm_->all_reduce_async(sum.data_ptr(), count, CommType::f32);
    return;
  }
  std::vector<float*> partial;
  for (int piece = 0; piece < pieces; ++piece) partial.push_back(bucket.sums[static_cast<std::size_t>(piece)].data_ptr<float>());
  bucket.request = buckets_comm_->tree_sum_async(tree_, std::move(partial), sum.data_ptr<float>(), count);
}

// Between two looks a bucket was under way if it had been at the first one.
void GradientSync::progress() {
  const auto since = std::exchange(looked_, Clock::now());
  if (under_way_) hidden_s_ += std::chrono::duration<double>(looked_ - since).count();
  under_way_ = false;
  for (std::size_t i = 0; i < next_bucket_; ++i) {
    if (buckets_[i].request && buckets_[i].request->test()) buckets_[i].request.reset();
    under_way_ = under_way_ || buckets_[i].request;
  }
}

void GradientSync::finish() {
  progress();
  const auto start = Clock::now();
  backward_s_ = seconds_since(begun_);
  launch_ready(true);
  for (Bucket& bucket : buckets_)
    if (auto request = std::move(bucket.request)) request->wait();
  under_way_ = false;
  for (Entry& entry : entries_)
    if (entry.parameter.sparse) exchange_sparse(entry);
  wait_s_ = seconds_since(start);
}

// Every rank gets all ranks' rows and adds them in the same order: that of the tree, which without a fixed one is rank 0, 1, …
void GradientSync::exchange_sparse(Entry& entry) {
  const at::NoGradGuard no_grad;
  const at::Tensor table = entry.gradient.flatten(1);
  const std::int64_t width = table.size(1);
  table.index_fill_(0, entry.touched, 0);
  if (!tree_->is_fixed()) {
    const Rows nothing{at::empty({0}, at::kLong), at::empty({0, width})};
    entry.sparse = {entry.sparse.empty() ? nothing : sum_of(entry.sparse, table.size(0))};
  }

  // A rank's message: of each piece the number of rows, their ids, then their values.
  std::string mine;
  const auto append = [&](const at::Tensor& values) {
    const at::Tensor here = values.to(at::kCPU).contiguous();
    mine.append(static_cast<const char*>(here.data_ptr()), here.nbytes());
  };
  for (const Rows& piece : entry.sparse) {
    append(at::scalar_tensor(piece.ids.size(0), at::kLong));
    append(piece.ids);
    append(piece.values.flatten(1));
  }
  entry.sparse.clear();
  bytes_ += mine.size();
  sparse_bytes_ += mine.size();
  const std::vector<std::string> messages = host_->all_gather_text(mine);

  std::vector<std::size_t> read(messages.size());
  const auto next_piece = [&](std::size_t rank) -> Rows {
    const auto take = [&](at::IntArrayRef sizes, at::ScalarType type) {
      at::Tensor values = at::empty(sizes, type);
      std::memcpy(values.data_ptr(), messages[rank].data() + read[rank], values.nbytes());
      read[rank] += values.nbytes();
      return values;
    };
    const std::int64_t rows = take({1}, at::kLong).item<std::int64_t>();
    const at::Tensor ids = take({rows}, at::kLong);
    return {ids, take({rows, width}, at::kFloat)};
  };
  std::vector<Rows> stack;
  for (const int step : tree_->program()) {
    if (step == SumTree::add) add_upper_two(stack, table.size(0));
    else stack.push_back(next_piece(static_cast<std::size_t>(step)));
  }
  entry.touched = stack.back().ids.to(table.device());
  table.index_copy_(0, entry.touched, stack.back().values.to(table.device()));
}

}  // namespace thaw
