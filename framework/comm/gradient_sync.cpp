#include "framework/comm/gradient_sync.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <tuple>
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
  merges_ = &tree_->merges(host_->rank());
  next_bucket_ = 0;
  bytes_ = 0;
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
  const int merges = (*merges_)[static_cast<std::size_t>(entry.passes)];
  if (entry.parameter.sparse) add_sparse(entry, gradient, merges);
  else add_dense(entry, gradient, merges);
  gradient = at::Tensor();
  if (static_cast<std::size_t>(++entry.passes) == merges_->size() && entry.bucket >= 0) {
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

namespace {

// The rows of both, each id once, ascending.
std::pair<at::Tensor, at::Tensor> add_rows(std::vector<at::Tensor> ids, std::vector<at::Tensor> rows, std::int64_t table) {
  const at::Tensor values = at::cat(rows);
  const at::Tensor sum = at::sparse_coo_tensor(at::cat(ids).unsqueeze(0), values, {table, values.size(1)}).coalesce();
  return {sum._indices()[0], sum._values()};
}

}  // namespace

// Rows are added within each gradient first where the order is fixed; else all at once at the end, which is less work.
void GradientSync::add_sparse(Entry& entry, const at::Tensor& gradient, int merges) {
  at::Tensor ids = gradient._indices()[0], rows = gradient._values().to(at::kFloat);
  if (tree_->is_fixed()) std::tie(ids, rows) = add_rows({ids}, {rows}, entry.gradient.size(0));
  entry.sparse_ids.push_back(ids);
  entry.sparse_rows.push_back(rows);
  for (int i = 0; tree_->is_fixed() && i < merges; ++i) {
    auto& all_ids = entry.sparse_ids;
    auto& all_rows = entry.sparse_rows;
    const std::size_t last = all_ids.size() - 1;
    std::tie(ids, rows) = add_rows({all_ids[last - 1], all_ids[last]}, {all_rows[last - 1], all_rows[last]}, entry.gradient.size(0));
    all_ids.pop_back();
    all_rows.pop_back();
    all_ids.back() = ids;
    all_rows.back() = rows;
  }
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
    else if (tree_->is_fixed() && static_cast<std::size_t>(entry.passes) != merges_->size())
      throw CommError(ExitCode::bug, "{} had a gradient from {} of {} passes: their sum has no fixed order", entry.parameter.name,
                      entry.passes, merges_->size());
  }
  at::Tensor& sum = bucket.sums.front();
  const auto count = static_cast<std::size_t>(sum.numel());
  bytes_ += count * sizeof(float) * static_cast<std::size_t>(std::max(1, pieces));
  if (!tree_->is_fixed()) {
    bucket.request = buckets_comm_->all_reduce_async(sum.data_ptr(), count, CommType::f32);
    return;
  }
  std::vector<float*> partial;
  for (int piece = 0; piece < pieces; ++piece) partial.push_back(bucket.sums[static_cast<std::size_t>(piece)].data_ptr<float>());
  bucket.request = buckets_comm_->tree_sum_async(tree_, std::move(partial), sum.data_ptr<float>(), count);
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

// Every rank gets all ranks' rows and adds them in the same order: that of the tree, which without a fixed one is rank 0, 1, …
void GradientSync::exchange_sparse(Entry& entry) {
  const at::NoGradGuard no_grad;
  const at::Tensor table = entry.gradient.flatten(1);
  const std::int64_t width = table.size(1);
  table.index_fill_(0, entry.touched, 0);
  if (!tree_->is_fixed()) {
    std::pair<at::Tensor, at::Tensor> sum{at::empty({0}, at::kLong), at::empty({0, width})};
    if (!entry.sparse_ids.empty()) sum = add_rows(std::move(entry.sparse_ids), std::move(entry.sparse_rows), table.size(0));
    entry.sparse_ids = {sum.first};
    entry.sparse_rows = {sum.second};
  }

  // A rank's message: of each piece the number of rows, their ids, then their values.
  std::string mine;
  const auto append = [&](const at::Tensor& values) {
    const at::Tensor here = values.to(at::kCPU).contiguous();
    mine.append(static_cast<const char*>(here.data_ptr()), here.nbytes());
  };
  for (std::size_t piece = 0; piece < entry.sparse_ids.size(); ++piece) {
    append(at::scalar_tensor(entry.sparse_ids[piece].size(0), at::kLong));
    append(entry.sparse_ids[piece]);
    append(entry.sparse_rows[piece].flatten(1));
  }
  entry.sparse_ids.clear();
  entry.sparse_rows.clear();
  bytes_ += mine.size();
  const std::vector<std::string> messages = host_->all_gather_text(mine);

  std::vector<std::size_t> read(messages.size());
  const auto next_piece = [&](std::size_t rank) {
    const auto take = [&](at::IntArrayRef sizes, at::ScalarType type) {
      at::Tensor values = at::empty(sizes, type);
      std::memcpy(values.data_ptr(), messages[rank].data() + read[rank], values.nbytes());
      read[rank] += values.nbytes();
      return values;
    };
    const std::int64_t rows = take({1}, at::kLong).item<std::int64_t>();
    const at::Tensor ids = take({rows}, at::kLong);
    return std::pair(ids, take({rows, width}, at::kFloat));
  };
  std::vector<std::pair<at::Tensor, at::Tensor>> stack;
  for (const int step : tree_->program()) {
    if (step != SumTree::add) {
      stack.push_back(next_piece(static_cast<std::size_t>(step)));
      continue;
    }
    const auto [ids, rows] = std::move(stack.back());
    stack.pop_back();
    stack.back() = add_rows({stack.back().first, ids}, {stack.back().second, rows}, table.size(0));
  }
  entry.touched = stack.back().first.to(table.device());
  table.index_copy_(0, entry.touched, stack.back().second.to(table.device()));
}

}  // namespace thaw
