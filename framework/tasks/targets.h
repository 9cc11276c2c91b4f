// What the rows of one pass should have given.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace thaw {

struct Targets {
  // One label a row: int64 [rows]; several: fp32 [rows, classes] of 0 and 1; a number: fp32 [rows];
  // sequences: int64 [labels], row after row as cu_seqlens says, −100 where nothing is expected.
  at::Tensor labels;
  at::Tensor weights;                         // fp32 [rows]
  std::vector<std::int64_t> cu_seqlens = {};  // of sequences
  std::vector<std::int64_t> frames = {};      // of CTC: each row's that are not padding; empty: all are not

  void to(const at::Device& device) {
    for (at::Tensor* tensor : {&labels, &weights})
      if (tensor->defined()) *tensor = tensor->to(device);
  }
};

}  // namespace thaw
