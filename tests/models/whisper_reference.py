"""Reference for Whisper: transformers, in double precision, on random small configs.

    whisper_reference.py OUT

Writes OUT/CASE/{config.json, model.safetensors} as transformers saves them, and OUT/CASE/reference.safetensors with features
[frames, mels] of all rows, their lengths, the decoder's tokens and their lengths, targets, logits, the mean loss and the
gradient of every parameter. Each row goes through transformers by itself, so that no padding is in it.
"""
import pathlib, sys

import torch
from safetensors.torch import save_file
from transformers import WhisperConfig, WhisperForAudioClassification, WhisperForConditionalGeneration, WhisperPreTrainedModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder

out = pathlib.Path(sys.argv[1])


class WhisperForCTC(WhisperPreTrainedModel):
    """transformers has none: its encoder, with a norm of the head's, and wav2vec 2.0's linear map to symbols."""

    def __init__(self, config):
        super().__init__(config)
        self.encoder, self.lm_head_norm = WhisperEncoder(config), torch.nn.LayerNorm(config.d_model)
        self.lm_head = torch.nn.Linear(config.d_model, config.vocab_size)
        self.encoder.layer_norm = torch.nn.Identity()
        self.post_init()

    def forward(self, input_features):
        return self.lm_head(self.lm_head_norm(self.encoder(input_features).last_hidden_state))


LANGUAGE, AUDIO, CTC = WhisperForConditionalGeneration, WhisperForAudioClassification, WhisperForCTC
CASES = {
    "plain": (LANGUAGE, dict()),
    "odd": (LANGUAGE, dict(d_model=42, encoder_attention_heads=3, decoder_attention_heads=7, encoder_ffn_dim=55, decoder_ffn_dim=33,
                           encoder_layers=3, decoder_layers=1, num_mel_bins=9, activation_function="relu", init_std=0.2)),
    "untied": (LANGUAGE, dict(tie_word_embeddings=False, max_source_positions=40, activation_function="gelu_new")),
    "short_rows": (LANGUAGE, dict()),
    "audio": (AUDIO, dict(num_labels=5, classifier_proj_size=20)),
    "ctc": (CTC, dict(vocab_size=11)),
    "ctc_short_rows": (CTC, dict(vocab_size=6, encoder_layers=1)),
    "audio_short_rows": (AUDIO, dict(num_labels=3, classifier_proj_size=20, encoder_layers=1)),
}
BASE = dict(vocab_size=101, d_model=48, encoder_layers=2, decoder_layers=2, encoder_attention_heads=6, decoder_attention_heads=4,
            encoder_ffn_dim=96, decoder_ffn_dim=80, num_mel_bins=7, max_source_positions=50, max_target_positions=41, init_std=0.1,
            pad_token_id=3, bos_token_id=1, eos_token_id=2, decoder_start_token_id=4, dropout=0.0, use_cache=False)
ROWS = 4


def random_model(kind, settings, seed):
    torch.manual_seed(seed)
    model = kind(WhisperConfig(**{**BASE, **settings}))
    with torch.no_grad():  # biases and norms start at 0 and 1: move them, so that a swapped one shows
        for p in model.parameters():
            if p.dim() == 1:
                p.add_(torch.randn_like(p) * 0.1)
    return model


def cut_positions(model, frames):
    """The encoder takes rows of this length alone from here on, with the first of its positions."""
    encoder = model.model.encoder if hasattr(model, "model") else model.encoder
    encoder.config.max_source_positions = frames // 2
    table = encoder.embed_positions
    if not hasattr(table, "whole"):
        table.whole = table.weight.data
    table.weight.data = table.whole[:frames // 2]
    table.num_embeddings = frames // 2


def reference(model, directory, seed, short):
    g = torch.Generator().manual_seed(seed)
    c = model.config
    window, vocabulary, mels = 2 * c.max_source_positions, c.vocab_size, c.num_mel_bins
    model = model.double().eval()
    model.set_attn_implementation("eager")
    lengths = [window] * ROWS
    if short:
        lengths = [window, 2, 38, window - 2]
    texts = [c.max_target_positions, 1, 17, 30]
    features, ids, targets, logits, losses = [], [], [], [], []
    for frames, text in zip(lengths, texts):
        row = torch.randn(frames, mels, generator=g, dtype=torch.double).float().double()
        if short:
            cut_positions(model, frames)
        features.append(row)
        if isinstance(model, LANGUAGE):
            tokens = torch.randint(0, vocabulary, (text,), generator=g)
            target = torch.randint(0, vocabulary, (text,), generator=g)
            result = model(input_features=row.T[None], decoder_input_ids=tokens[None]).logits[0]
            ids.append(tokens)
        elif isinstance(model, CTC):
            result = model(row.T[None])[0]
            target = torch.randint(0, vocabulary, (len(result),), generator=g)
        else:
            target = torch.randint(0, c.num_labels, (1,), generator=g)
            result = model(input_features=row.T[None]).logits
        targets.append(target)
        logits.append(result)
        losses.append(torch.nn.functional.cross_entropy(result, target, reduction="sum"))
    loss = sum(losses) / sum(len(t) for t in targets)
    loss.backward()
    tensors = {"features": torch.cat(features).float(), "frames": torch.tensor(lengths), "targets": torch.cat(targets),
               "logits": torch.cat(logits).detach(), "loss": loss.detach()}
    if ids:
        tensors |= {"ids": torch.cat(ids), "texts": torch.tensor(texts)}
    for name, p in model.named_parameters():
        if p.requires_grad:
            tensors["grad/" + name] = p.grad
    save_file({k: v.contiguous() for k, v in tensors.items()}, directory / "reference.safetensors")


for number, (name, (kind, settings)) in enumerate(CASES.items()):
    directory = out / name
    model = random_model(kind, settings, number)
    model.save_pretrained(directory)
    reference(model, directory, number, short="short_rows" in name)
