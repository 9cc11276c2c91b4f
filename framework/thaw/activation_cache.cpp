#include "framework/thaw/activation_cache.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <span>

#include "framework/base/clock.h"
#include "framework/nn/ops.h"
#include "framework/thaw/activation_region.h"

namespace thaw {
namespace {

at::Tensor row_of(const Packed& packed, std::size_t row) {
  return packed.values.narrow(0, packed.cu_seqlens[row], packed.cu_seqlens[row + 1] - packed.cu_seqlens[row]);
}

constexpr int steps_tried = 4;  // sendings after which their time is compared with that of computing

// Before the values of a row, in what one node sends another.
struct RowHeader {
  std::int64_t layer;
  std::uint64_t set, row, bytes;
};

}  // namespace

ActivationCache::ActivationCache(const CacheRecipe& recipe, Communicator& comm, std::uint64_t memory,
                                 std::vector<std::vector<std::uint32_t>> lengths, bool row_by_row)
    : recipe_(recipe),
      row_by_row_(row_by_row),
      node_(comm.split_node()),
      across_(comm.split(node_->rank())),
      memory_(memory),
      lengths_(std::move(lengths)) {}

ActivationCache::~ActivationCache() = default;

bool ActivationCache::fills_row_by_row(const Model& model) const { return row_by_row_ || model.flow_type() == at::kFloat; }

std::vector<std::string> ActivationCache::keep(const Model& model, const std::vector<int>& layers) {
  std::erase_if(regions_, [&](const auto& entry) { return std::find(layers.begin(), layers.end(), entry.first) == layers.end(); });
  wanted_ = !layers.empty();
  fresh_.clear();
  std::vector<std::string> said;
  for (const int layer : layers) {
    if (regions_.contains(layer)) continue;
    const std::string& name = model.layers[static_cast<std::size_t>(layer)].name;
    LocalDirectory local = local_directory(recipe_.dir, memory_);
    if (recipe_.max_gib > 0) {
      auto left = static_cast<std::uint64_t>(recipe_.max_gib * 1073741824.0);
      for (const auto& [unused, region] : regions_) left -= std::min(left, region->bytes_kept());
      local.room = std::min(local.room, left);
    }
    if (!local.refused.empty()) local.room = 0;
    node_->broadcast(&local.room, sizeof local.room, 0);  // ranks look at different moments: the first one's view counts
    auto region = std::make_unique<ActivationRegion>(model, layer, lengths_);
    std::string problem = local.refused;
    const std::uint64_t bytes = std::min(region->bytes_wanted(), local.room);
    const bool room = bytes > 0 && bytes >= region->bytes_wanted() / 20;
    if (problem.empty() && !room) problem = fmt::format("{} has no room", local.path);
    if (!room || !region->open(*node_, local.path, bytes, problem)) {
      said.push_back(fmt::format("cache      none before {}: {}", name, problem));
      if (row_by_row_) regions_[layer] = std::move(region);  // without room for any row
      continue;
    }
    const double share = 100.0 * static_cast<double>(bytes) / static_cast<double>(region->bytes_wanted());
    said.push_back(fmt::format("cache      activations before {}: {:.1f} MiB in {}{}", name, static_cast<double>(bytes) / 1048576.0,
                               local.path, share < 100 ? fmt::format(", {:.0f} % of the rows", share) : ""));
    regions_[layer] = std::move(region);
  }
  return said;
}

void ActivationCache::forget_above(int layer) {
  std::erase_if(regions_, [&](const auto& entry) { return entry.first > layer; });
}

Packed ActivationCache::compute(const Model& model, const std::vector<CacheRow>& rows, Packed packed, const Context& context,
                                bool training) {
  const auto start = Clock::now();
  int at_layer = 0;
  for (const auto& [layer, region] : regions_) {
    if (layer > model.frontier()) break;
    packed = model.run(std::move(packed), context, at_layer, layer);
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (region->store(rows[i], row_of(packed, i)) && training) fresh_.emplace_back(layer, rows[i]);
    at_layer = layer;
  }
  if (training) compute_s_ += seconds_since(start);
  return packed;
}

Packed ActivationCache::forward(const Model& model, const std::vector<CacheRow>& rows, Context context, const Read& read) {
  const int end = static_cast<int>(model.layers.size());
  const auto above = regions_.upper_bound(model.frontier());
  if (above == regions_.begin()) {
    std::vector<std::size_t> all(rows.size());
    std::iota(all.begin(), all.end(), 0);
    std::vector<std::int64_t> cu_seqlens = read(all, context);
    return model.run(pack_of(std::move(cu_seqlens)), context, 0, end);
  }
  const int layer = std::prev(above)->first;
  ActivationRegion& region = *std::prev(above)->second;
  std::vector<at::Tensor> parts(rows.size());
  std::vector<std::vector<std::size_t>> passes;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (region.has(rows[i])) parts[i] = region.values(rows[i]).to(model.device());
    else if (passes.empty() || fills_row_by_row(model)) passes.push_back({i});
    else passes.back().push_back(i);
    ++(parts[i].defined() ? hits : misses);
  }
  {
    const at::NoGradGuard no_graph;
    for (const std::vector<std::size_t>& pass : passes) {
      std::vector<CacheRow> of_pass;
      for (const std::size_t i : pass) of_pass.push_back(rows[i]);
      Context inputs;
      std::vector<std::int64_t> cu_seqlens = read(pass, inputs);
      const Packed computed = compute(model, of_pass, pack_of(std::move(cu_seqlens)), inputs, context.training);
      for (std::size_t k = 0; k < pass.size(); ++k) parts[pass[k]] = row_of(computed, k);
    }
  }
  std::vector<std::int64_t> cu_seqlens{0};
  for (const at::Tensor& part : parts) cu_seqlens.push_back(cu_seqlens.back() + part.size(0));
  Packed packed = pack_of(std::move(cu_seqlens));
  packed.values = model.reads_first_tokens(layer) ? at::cat(parts) : pad_tokens(at::cat(parts));
  return model.run(std::move(packed), context, layer, end);
}

std::string ActivationCache::share() {
  if (!wanted_ || !shares_ || across_->size() == 1) {
    fresh_.clear();
    return "";
  }
  const auto start = Clock::now();
  std::string mine;
  const auto append = [&](const void* data, std::size_t bytes) { mine.append(static_cast<const char*>(data), bytes); };
  for (const auto& [layer, row] : fresh_) {
    const auto region = regions_.find(layer);
    if (region == regions_.end()) continue;
    const std::span<const std::byte> values = region->second->bytes(row);
    const RowHeader header{layer, row.set, row.row, values.size()};
    append(&header, sizeof header);
    append(values.data(), values.size());
  }
  fresh_.clear();
  const std::vector<std::string> messages = across_->all_gather_text(mine);
  bool some = false;
  for (std::size_t rank = 0; rank < messages.size(); ++rank) {
    const std::string& message = messages[rank];
    some = some || !message.empty();
    if (rank == static_cast<std::size_t>(across_->rank())) continue;
    RowHeader header{};
    for (std::size_t at = 0; at < message.size(); at += sizeof header + header.bytes) {
      std::memcpy(&header, message.data() + at, sizeof header);
      const auto region = regions_.find(static_cast<int>(header.layer));
      const auto* const values = reinterpret_cast<const std::byte*>(message.data() + at + sizeof header);
      if (region != regions_.end() && region->second->store({header.set, header.row}, std::span(values, header.bytes))) ++received;
    }
  }
  share_s_ += seconds_since(start);
  return some && ++tried_ == steps_tried ? weigh_sharing() : "";
}

// A row that stays where it was computed is computed again on each other node that comes to need it.
std::string ActivationCache::weigh_sharing() {
  double spent[2] = {compute_s_, share_s_};
  across_->all_reduce(spent, 2, CommType::f64);
  const double others = 1 - 1.0 / across_->size();
  shares_ = spent[1] < spent[0] * others;
  return fmt::format("cache      rows {}: sending them takes {:.0f} % of the time of computing them",
                     shares_ ? "are sent to the other nodes" : "stay on the node that computed them", 100 * spent[1] / spent[0]);
}

}  // namespace thaw
