// What a model's first layer reads of rows: tokens of text, features or samples of audio.
#pragma once

#include <cstdint>
#include <vector>

#include "framework/models/model.h"
#include "framework/train/data_set.h"

namespace thaw {

class Inputs {
 public:
  virtual ~Inputs() = default;

  // Fills a context with what the first layer reads of some rows, on the CPU, and gives their cu_seqlens. Where the context is
  // augmented, rows are changed as the recipe says, each by (step, number in the step) alone.
  virtual std::vector<std::int64_t> read(const std::vector<RowOfSet>& rows, Context& context) const = 0;

  // Of a row: what the first layer reads (tokens, frames, samples), and what batches and reports count (tokens, or hundredths of a
  // second).
  virtual std::uint32_t length(const ShardSet& shards, std::uint64_t row) const = 0;
  virtual std::uint32_t size(const ShardSet& shards, std::uint64_t row) const = 0;
  // Of a pass of an evaluation: what the first layer reads at the most.
  virtual std::int64_t evaluation_length() const = 0;

  virtual bool hears() const = 0;  // audio; else it reads ids of a vocabulary, as the sets' shards hold them

  // How much faster than it was recorded a row, which has this number in the pass, is heard there: times in it are so much earlier.
  virtual double speed(const RowOfSet&, const Context&, std::size_t) const { return 1; }

  // Whether an augmented context reads another thing of a row each time: then nothing that layers make of it can be kept.
  virtual bool changes_rows() const { return false; }
};

// Of all rows of a set.
std::vector<std::uint32_t> lengths_of(const Inputs& inputs, const DataSet& set);
std::vector<std::uint32_t> sizes_of(const Inputs& inputs, const DataSet& set);

// A context's tensors, on a device.
void move_to(Context& context, const at::Device& device);

}  // namespace thaw
