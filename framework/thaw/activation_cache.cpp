#include "framework/thaw/activation_cache.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <atomic>

#include "framework/nn/ops.h"

namespace thaw {
namespace {

enum Presence : std::uint8_t { absent, being_written, present };

}  // namespace

// What one layer reads, of all rows: a byte of presence a row, then the values.
class ActivationCache::Region {
 public:
  Region(const Model& model, int layer, const std::vector<std::vector<std::uint32_t>>& lengths)
      : first_tokens_(layer > 0 && model.layers[static_cast<std::size_t>(layer) - 1].gives_first_tokens),
        width_(model.width),
        dtype_(model.flow_type()),
        token_bytes_(static_cast<std::uint64_t>(width_) * c10::elementSize(dtype_)) {
    std::uint64_t rows = 0;
    for (const auto& set : lengths) rows += set.size();
    std::uint64_t row = 0, offset = (rows + 4095) / 4096 * 4096;
    for (const auto& set : lengths) {
      first_row_.push_back(row);
      row += set.size();
      auto& offsets = offsets_.emplace_back();
      for (const std::uint32_t length : set) {
        offsets.push_back(offset);
        offset += tokens_of(length) * token_bytes_;
      }
      offsets.push_back(offset);
    }
    bytes_ = offset;
  }

  std::uint64_t bytes_wanted() const { return bytes_; }
  bool open(Communicator& node, const std::string& directory, std::uint64_t bytes, std::string& problem) {
    file_ = SharedFile::create(node, directory, std::min(bytes, bytes_), problem);
    return file_ != nullptr;
  }
  std::uint64_t bytes_kept() const { return file_->size(); }
  bool first_tokens() const { return first_tokens_; }

  bool has(const CacheRow& row) const { return fits(row) && presence(row).load(std::memory_order_acquire) == present; }
  at::Tensor values(const CacheRow& row, std::int64_t length) const {
    return at::from_blob(file_->data() + offsets_[row.set][row.row],
                         {static_cast<std::int64_t>(tokens_of(static_cast<std::uint32_t>(length))), width_}, at::TensorOptions(dtype_));
  }
  // The first rank to come writes a row; another that computed it at the same time leaves it.
  void store(const CacheRow& row, const Packed& packed, std::size_t at) {
    if (!fits(row)) return;
    auto expected = static_cast<std::uint8_t>(absent);
    if (!presence(row).compare_exchange_strong(expected, being_written)) return;
    values(row, packed.cu_seqlens[at + 1] - packed.cu_seqlens[at]).copy_(of_row(packed, at));
    presence(row).store(present, std::memory_order_release);
  }
  // What is kept of the row that stands at `at` in `packed`.
  at::Tensor of_row(const Packed& packed, std::size_t at) const {
    return packed.values.narrow(0, packed.cu_seqlens[at], packed.cu_seqlens[at + 1] - packed.cu_seqlens[at]);
  }

 private:
  std::uint64_t tokens_of(std::uint32_t length) const { return first_tokens_ ? 1 : length; }
  bool fits(const CacheRow& row) const { return offsets_[row.set][row.row + 1] <= file_->size(); }
  std::atomic_ref<std::uint8_t> presence(const CacheRow& row) const {
    return std::atomic_ref<std::uint8_t>(*reinterpret_cast<std::uint8_t*>(file_->data() + first_row_[row.set] + row.row));
  }

  bool first_tokens_;
  std::int64_t width_;
  at::ScalarType dtype_;
  std::uint64_t token_bytes_, bytes_ = 0;
  std::vector<std::uint64_t> first_row_;             // by set
  std::vector<std::vector<std::uint64_t>> offsets_;  // by set and row, and the end
  std::unique_ptr<SharedFile> file_;
};

ActivationCache::ActivationCache(const CacheRecipe& recipe, Communicator& comm, std::uint64_t memory,
                                 std::vector<std::vector<std::uint32_t>> lengths)
    : recipe_(recipe), node_(comm.split_node()), memory_(memory), lengths_(std::move(lengths)) {}

ActivationCache::~ActivationCache() = default;

bool ActivationCache::fills_row_by_row(const Model& model) { return model.flow_type() == at::kFloat; }

std::vector<std::string> ActivationCache::keep(const Model& model, const std::vector<int>& layers) {
  std::erase_if(regions_, [&](const auto& entry) { return std::find(layers.begin(), layers.end(), entry.first) == layers.end(); });
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
    auto region = std::make_unique<Region>(model, layer, lengths_);
    std::string problem = local.refused;
    const std::uint64_t bytes = std::min(region->bytes_wanted(), local.room);
    const bool room = bytes > 0 && bytes >= region->bytes_wanted() / 20;
    if (problem.empty() && !room) problem = fmt::format("{} has no room", local.path);
    if (!room || !region->open(*node_, local.path, bytes, problem)) {
      said.push_back(fmt::format("cache      none before {}: {}", name, problem));
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

Packed ActivationCache::compute(const Model& model, const std::vector<CacheRow>& rows, Packed packed, const Context& context) {
  int at_layer = 0;
  for (const auto& [layer, region] : regions_) {
    if (layer > model.frontier()) break;
    packed = model.run(std::move(packed), context, at_layer, layer);
    for (std::size_t i = 0; i < rows.size(); ++i) region->store(rows[i], packed, i);
    at_layer = layer;
  }
  return packed;
}

at::Tensor ActivationCache::forward(const Model& model, const std::vector<CacheRow>& rows, const std::vector<std::int64_t>& cu_seqlens,
                                    const Context& context) {
  const auto above = regions_.upper_bound(model.frontier());
  if (above == regions_.begin()) return model.forward(cu_seqlens, context);
  const int layer = std::prev(above)->first;
  Region& region = *std::prev(above)->second;
  std::vector<at::Tensor> parts(rows.size());
  std::vector<std::vector<std::size_t>> passes;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (region.has(rows[i])) parts[i] = region.values(rows[i], cu_seqlens[i + 1] - cu_seqlens[i]).to(model.device());
    else if (passes.empty() || fills_row_by_row(model)) passes.push_back({i});
    else passes.back().push_back(i);
    ++(parts[i].defined() ? hits : misses);
  }
  {
    const at::NoGradGuard no_graph;
    for (const std::vector<std::size_t>& pass : passes) {
      const auto tokens_of = [&](const at::Tensor& of_all) {
        std::vector<at::Tensor> some;
        for (const std::size_t i : pass) some.push_back(of_all.narrow(0, cu_seqlens[i], cu_seqlens[i + 1] - cu_seqlens[i]));
        return at::cat(some);
      };
      std::vector<CacheRow> of_pass;
      std::vector<std::int64_t> starts{0};
      for (const std::size_t i : pass) {
        of_pass.push_back(rows[i]);
        starts.push_back(starts.back() + cu_seqlens[i + 1] - cu_seqlens[i]);
      }
      const Context inputs{tokens_of(context.input_ids), tokens_of(context.token_types), tokens_of(context.positions)};
      const Packed computed = compute(model, of_pass, pack_of(starts), inputs);
      for (std::size_t k = 0; k < pass.size(); ++k) parts[pass[k]] = region.of_row(computed, k);
    }
  }
  Packed packed = region.first_tokens() ? rows_of_one(rows.size()) : pack_of(cu_seqlens);
  packed.values = region.first_tokens() ? at::cat(parts) : pad_tokens(at::cat(parts));
  return model.run(std::move(packed), context, layer, static_cast<int>(model.layers.size())).values;
}

}  // namespace thaw
