// Whisper (Radford et al. 2022), of any size, as transformers' WhisperForConditionalGeneration and
// WhisperForAudioClassification compute it, on packed rows. With a head of CTC, for which transformers has no class, the encoder's
// last layer goes through a new norm, in the place of its own, and one linear map (lm_head_norm, lm_head).
//
// Layer 0 reads Context::features, log-mel frames, and cu_seqlens in frames; the decoder's first layer reads input_ids and
// positions, whose rows Context::decoder_cu_seqlens bounds, a row of text for each of audio. Logits are fp32
// [tokens, vocabulary] of the decoder's rows; of the classification head [rows, outputs], of CTC [frames, outputs].
//
// Whisper was trained on windows of 30 s: each row has 2 × max_source_positions frames (3000), shorter audio being padded by
// the caller, and the silence behind it is attended to. With HeadSpec::short_rows a row may be shorter: the encoder's
// positions are cut to its length and nothing is attended to behind it. That is quicker and not what the pretrained weights
// know: transcriptions differ, until fine-tuning has taught them.
#pragma once

#include <memory>

#include "framework/models/head.h"
#include "framework/models/model.h"

namespace thaw {

std::unique_ptr<Model> build_whisper(const JsonView& config, const HeadSpec& head);

}  // namespace thaw
