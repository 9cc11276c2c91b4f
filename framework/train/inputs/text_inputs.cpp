#include "framework/train/inputs/text_inputs.h"

#include <numeric>

namespace thaw {

at::Tensor positions_of(const std::vector<std::int64_t>& cu_seqlens) {
  at::Tensor positions = at::empty({cu_seqlens.back()}, at::kLong);
  std::int64_t* const out = positions.data_ptr<std::int64_t>();
  for (std::size_t row = 0; row + 1 < cu_seqlens.size(); ++row) std::iota(out + cu_seqlens[row], out + cu_seqlens[row + 1], 0);
  return positions;
}

std::vector<std::int64_t> read_encodings(const std::vector<Encoding>& rows, Context& context) {
  std::vector<std::int64_t> cu_seqlens{0};
  for (const Encoding& row : rows) cu_seqlens.push_back(cu_seqlens.back() + static_cast<std::int64_t>(row.ids.size()));
  context.input_ids = at::empty({cu_seqlens.back()}, at::kLong);
  context.token_types = at::zeros({cu_seqlens.back()}, at::kLong);
  std::int64_t *ids = context.input_ids.data_ptr<std::int64_t>(), *types = context.token_types.data_ptr<std::int64_t>();
  for (const Encoding& row : rows)
    for (std::size_t i = 0; i < row.ids.size(); ++i) {
      *ids++ = row.ids[i];
      *types++ = i >= row.second_start ? 1 : 0;
    }
  context.positions = positions_of(cu_seqlens);
  return cu_seqlens;
}

std::vector<std::int64_t> TextInputs::read(const std::vector<RowOfSet>& rows, Context& context) const {
  std::vector<Encoding> encodings;
  for (const RowOfSet& row : rows) {
    EncodedRow read = row.shards().read(row.row);
    encodings.push_back({std::move(read.input_ids), read.second_start, false});
  }
  return read_encodings(encodings, context);
}

}  // namespace thaw
