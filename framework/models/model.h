// A model: an ordered stack of named layers, from the embeddings up to the head, and the parameters they read.
// A layer is a pure function of (Packed, Context, weights), so that recomputation and caching wrap it from outside.
// Nothing else of Thaw knows more about an architecture than this.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "framework/base/json.h"
#include "framework/base/random.h"
#include "framework/nn/packed.h"

namespace thaw {

enum class Role { matrix, embedding, bias, norm };  // norms and biases get no weight decay

struct Parameter {
  std::string name;  // as on the hub: "bert.encoder.layer.0.attention.self.query.weight"
  Role role = Role::matrix;
  int group = 0;                       // the layer it belongs to, for thawing and rates; index into Model::layers
  std::vector<int> uses;               // the layers that read it (more than one where tied), ascending
  bool of_first_tokens = false;        // applied to the first token of each row alone
  std::int64_t stride = 0;             // of a convolution: applied once to so many of what the first layer reads
  bool of_memory = false;              // applied to the encoder's output, by a layer of the decoder
  bool fixed = false;                  // a table that the architecture never learns (sinusoids): set_learning passes it over
  bool keep_fp32 = false;              // stays fp32 where the rest computes in bf16: norms, embeddings, the head
  bool may_be_missing = false;         // files that lack it are no error: it is drawn anew
  at::Tensor value;                    // fp32: the master weights
  at::Tensor working;                  // what layers read: `value` itself, or its bf16 copy; an autograd leaf
  bool mapped = false;                 // `value` is a view over the model's file, and others may share `working`: read-only
  void own();                          // before anything writes into them: gives them memory of this process where it is mapped
  void set(const at::Tensor& values);  // `value` and `working`, in place; fp32
  at::Tensor kept(const at::Tensor& values) const;  // these, in memory that stays as it is: the file's where it has just them
  bool sparse_gradient() const { return role == Role::embedding && uses.size() == 1; }  // of looked-up rows alone
  bool decays() const { return role == Role::matrix || role == Role::embedding; }
  at::ScalarType computes_with(at::ScalarType type) const { return keep_fp32 ? at::kFloat : type; }
};

// What a forward pass is given besides the values that flow: the same for every layer.
struct Context {
  at::Tensor input_ids, token_types, positions;  // int64 [tokens]
  at::Tensor features = {};  // what a speech model's first layer reads, row after row: fp32 [frames, mels], or [samples] of waveform
  std::vector<std::int64_t> decoder_cu_seqlens = {};  // of an encoder–decoder: input_ids and positions are the decoder's rows
  bool training = false;                              // dropout on
  bool augmented = false;                             // rows are heard as the recipe's `augment` says
  std::uint64_t random_key = 0;                       // of (dropout seed, step)
  std::int64_t first_token = 0, first_row = 0;        // numbers of this pass's first token and row within the step, over all ranks

  // The random numbers of use `use` in layer `layer`: they depend on step and token alone, not on ranks or passes.
  RandomSite site(double p, int layer, int use) const {
    return training && p > 0 ? RandomSite{p, thaw::random_key(random_key, layer, use), first_token} : RandomSite{};
  }
  // The same where a row has one token left.
  RandomSite row_site(double p, int layer, int use) const {
    RandomSite of_rows = site(p, layer, use);
    of_rows.first_token = first_row;
    return of_rows;
  }
};

struct Layer {
  std::string name;  // "embeddings", "encoder.layer.0", …, "head"
  std::function<Packed(const Packed&, const Context&)> forward;
  bool gives_first_tokens = false;  // of each row no other: the layer above reads none, so nothing else is computed
};

Packed pack_of(std::vector<std::int64_t> cu_seqlens);  // rows without values yet: what the first layer reads
Packed rows_of_one(std::size_t rows);                  // rows of one token

struct Model {
  std::string architecture;  // config.json's model_type
  Json config;               // as read; `export` writes it back with the head's labels
  std::string export_class;  // config.json's `architectures` entry for transformers
  std::int64_t vocabulary_size = 0, max_positions = 0, token_types = 1;
  bool hears = false;                                // its first layer reads Context::features
  std::int64_t feature_width = 0, max_features = 0;  // of a frame of them, and a row's most
  std::int64_t width = 0;                            // of the values between layers
  int first_block = 1;                               // layers below it are the embeddings: one, and convolutions where waveform is read
  int decoder = -1;                                  // an encoder–decoder's first decoder layer, in `layers`
  // Tokens that a layer below the decoder reads of a row, by the length of what the first layer reads of it; empty: as many.
  std::function<std::int64_t(int layer, std::int64_t length)> row_tokens;
  std::int64_t embeddings_read = 0;  // the width of what the layer above the first reads, where that is not `width`
  std::vector<std::string> tied;     // names under which files may repeat a tied parameter: not read
  std::deque<Parameter> parameters;  // stable addresses: layers point at them
  std::vector<Layer> layers;

  Model() = default;
  Model(const Model&) = delete;  // layers point into `parameters`
  Model& operator=(const Model&) = delete;

  Parameter& add(std::string name, at::IntArrayRef shape, Role role, int group);
  Parameter* find(const std::string& name);
  std::int64_t parameter_count() const;

  // cu_seqlens of the rows and the context's ids in, the head's output out: [rows, outputs].
  // Layers below the frontier build no autograd graph; layers that do not learn run in evaluation mode.
  at::Tensor forward(std::vector<std::int64_t> cu_seqlens, const Context& context) const;

  // Layers first, first + 1, …, last − 1 of the same.
  Packed run(Packed packed, const Context& context, int first, int last) const;
  bool reads_first_tokens(int layer) const { return layer > 0 && layers[static_cast<std::size_t>(layer) - 1].gives_first_tokens; }
  std::int64_t tokens_read(int layer, std::int64_t length) const {
    return reads_first_tokens(layer) ? 1 : row_tokens ? row_tokens(layer, length) : length;
  }
  std::int64_t width_read(int layer) const { return layer == 1 && embeddings_read > 0 ? embeddings_read : width; }
  // The layer whose input spares most work while nothing below `frontier` learns: that one, but in an encoder–decoder, whose decoder's
  // layers read two things, none above the decoder's first.
  int kept_layer(int frontier) const { return decoder >= 0 && frontier > decoder ? decoder : frontier; }
  at::ScalarType flow_type() const { return flow_type_; }  // of the values between layers, from the first block's output on

  // Who learns, by parameter, and so has memory of its own from now on; after set_precision, after which nobody does.
  void set_learning(const std::vector<bool>& learning);
  int frontier_of(const std::vector<bool>& learning) const;  // the lowest layer that reads a learning parameter
  int frontier() const { return frontier_; }                 // of those that learn now
  bool layer_learns(std::size_t layer) const { return layer_learns_[layer]; }
  int head() const { return static_cast<int>(layers.size()) - 1; }
  int blocks() const { return head() - first_block; }  // layers between the embeddings and the head

  // Makes `working` what layers compute with: fp32 the values themselves, bf16 copies of all but keep_fp32. `copy` makes them,
  // where given, in memory that set_learning may leave for this process's own. See also thaw/shared_weights.h.
  using Copy = std::function<at::Tensor(const Parameter&)>;
  void set_precision(at::ScalarType type, const Copy& copy = {});
  void to(const at::Device& device);  // before set_precision
  at::Device device() const { return parameters.front().value.device(); }

 private:
  int frontier_ = 0;
  at::ScalarType flow_type_ = at::kFloat;
  std::vector<bool> layer_learns_;  // of every layer, once set_precision was called
};

}  // namespace thaw
