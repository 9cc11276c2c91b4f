#include "framework/thaw/activation_cache.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <atomic>
#include <cstring>

namespace thaw {
namespace {

enum Presence : std::uint8_t { absent, being_written, present };

Packed only_first_tokens(const at::Tensor& values) {
  Packed packed{values, {}, 1};
  for (std::int64_t row = 0; row <= values.size(0); ++row) packed.cu_seqlens.push_back(row);
  return packed;
}

}  // namespace

// What one layer reads, of all rows: a byte of presence a row, then the values.
class ActivationCache::Region {
 public:
  Region(const Model& model, int layer, const std::vector<std::vector<std::uint32_t>>& lengths)
      : first_tokens_(model.layers[static_cast<std::size_t>(layer)].reads_first_tokens),
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
  void store(const CacheRow& row, const Packed& packed, std::int64_t at) {
    if (!fits(row)) return;
    auto expected = static_cast<std::uint8_t>(absent);
    if (!presence(row).compare_exchange_strong(expected, being_written)) return;
    const std::int64_t start = packed.cu_seqlens[static_cast<std::size_t>(at)],
                       length = packed.cu_seqlens[static_cast<std::size_t>(at) + 1] - start;
    values(row, length).copy_(packed.values.narrow(0, start, first_tokens_ ? 1 : length));
    presence(row).store(present, std::memory_order_release);
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
    said.push_back(fmt::format("cache      activations before {}: {:.2f} GiB in {}{}", name, static_cast<double>(bytes) / 1073741824.0,
                               local.path, share < 100 ? fmt::format(", {:.0f} % of the rows", share) : ""));
    regions_[layer] = std::move(region);
  }
  return said;
}

void ActivationCache::forget_above(int layer) {
  std::erase_if(regions_, [&](const auto& entry) { return entry.first > layer; });
}

Packed ActivationCache::run_and_keep(const Model& model, const std::vector<CacheRow>& rows, Packed packed, const Context& context) {
  int at_layer = 0;
  for (const auto& [layer, region] : regions_) {
    if (layer > model.frontier()) break;
    packed = model.run(std::move(packed), context, at_layer, layer);
    for (std::size_t i = 0; i < rows.size(); ++i) region->store(rows[i], packed, static_cast<std::int64_t>(i));
    at_layer = layer;
  }
  return packed;
}

at::Tensor ActivationCache::forward(const Model& model, const std::vector<CacheRow>& rows, const std::vector<std::int64_t>& cu_seqlens,
                                    const Context& context, const std::function<Inputs(const std::vector<std::size_t>&)>& inputs_of) {
  const int frontier = model.frontier(), end = static_cast<int>(model.layers.size());
  const auto found = regions_.find(frontier);
  if (found == regions_.end()) return model.forward(cu_seqlens, context);
  Region& region = *found->second;
  std::vector<std::size_t> missing;
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (!region.has(rows[i])) missing.push_back(i);
  misses += missing.size();
  hits += rows.size() - missing.size();

  Packed packed;
  {
    const at::NoGradGuard no_graph;
    if (missing.size() == rows.size()) {
      packed = run_and_keep(model, rows, pack_of(cu_seqlens), context);
    } else {
      const auto length = [&](std::size_t i) { return cu_seqlens[i + 1] - cu_seqlens[i]; };
      std::vector<at::Tensor> parts(rows.size());
      for (std::size_t i = 0; i < rows.size(); ++i)
        if (!std::binary_search(missing.begin(), missing.end(), i)) parts[i] = region.values(rows[i], length(i)).to(model.device());
      if (!missing.empty()) {
        std::vector<CacheRow> missing_rows;
        for (const std::size_t i : missing) missing_rows.push_back(rows[i]);
        const Inputs inputs = inputs_of(missing);
        const Packed computed = run_and_keep(model, missing_rows, pack_of(inputs.cu_seqlens), inputs.context);
        for (std::size_t k = 0; k < missing.size(); ++k)
          parts[missing[k]] = computed.values.narrow(0, computed.cu_seqlens[k], region.first_tokens() ? 1 : length(missing[k]));
      }
      const at::Tensor values = at::cat(parts);
      packed = region.first_tokens() ? only_first_tokens(values) : pack_of(cu_seqlens);
      packed.values = values;
    }
  }
  return model.run(std::move(packed), context, frontier, end).values;
}

}  // namespace thaw
