#include "framework/train/recipe_words.h"

#include <algorithm>

#include "framework/base/error.h"
#include "framework/base/nearest.h"

namespace thaw {
namespace {

struct Word {
  std::string_view theirs, ours;  // ours: a key, or after a space an explanation
};

constexpr std::string_view whole_step =
    " batch.size counts the rows of a whole optimizer step, over all ranks; batch.grain those of one forward pass";
constexpr std::string_view seeds = " seed sets all of seeds.init, seeds.order and seeds.dropout";
constexpr std::string_view best = " the best model by evaluate.metric is always written to best/";

// transformers' TrainingArguments and example scripts, Lightning's Trainer, fairseq, marian, timm, axolotl.
constexpr Word words[] = {
    {"learning_rate", "optimizer.lr"},
    {"base_lr", "optimizer.lr"},
    {"learn_rate", "optimizer.lr"},
    {"lr_rate", "optimizer.lr"},
    {"weight_decay", "optimizer.weight_decay"},
    {"wd", "optimizer.weight_decay"},
    {"adam_beta1", " the word here is optimizer.betas: [beta1, beta2]"},
    {"adam_beta2", " the word here is optimizer.betas: [beta1, beta2]"},
    {"adam_betas", "optimizer.betas"},
    {"adam_epsilon", "optimizer.eps"},
    {"adam_eps", "optimizer.eps"},
    {"epsilon", "optimizer.eps"},
    {"max_grad_norm", "optimizer.clip_norm"},
    {"gradient_clip_val", "optimizer.clip_norm"},
    {"grad_clip", "optimizer.clip_norm"},
    {"clip_grad", "optimizer.clip_norm"},
    {"gradient_clipping", "optimizer.clip_norm"},
    {"optim", "optimizer.name"},
    {"zero_stage", " the word here is optimizer.sharded: true, which is stage 1"},
    {"zero_optimization", " the word here is optimizer.sharded: true, which is stage 1"},
    {"use_distributed_optimizer", "optimizer.sharded"},
    {"distributed_optimizer", "optimizer.sharded"},
    {"fsdp", " weights stay whole on each rank; optimizer.sharded: true shares the optimizer's state"},
    {"deepspeed", " optimizer.sharded: true shares the optimizer's state between the ranks, as ZeRO's stage 1"},
    {"optimizer_type", "optimizer.name"},
    {"num_train_epochs", "epochs"},
    {"num_epochs", "epochs"},
    {"max_epochs", "epochs"},
    {"max_epoch", "epochs"},
    {"after_epochs", "epochs"},
    {"n_epochs", "epochs"},
    {"max_steps", "steps"},
    {"max_train_steps", "steps"},
    {"max_update", "steps"},
    {"num_steps", "steps"},
    {"total_steps", "steps"},
    {"after_batches", "steps"},
    {"per_device_train_batch_size", whole_step},
    {"per_gpu_train_batch_size", whole_step},
    {"gradient_accumulation_steps", whole_step},
    {"micro_batch_size", whole_step},
    {"accumulate_grad_batches", whole_step},
    {"update_freq", whole_step},
    {"optimizer_delay", whole_step},
    {"train_batch_size", "batch.size"},
    {"batch_size", "batch.size"},
    {"per_device_eval_batch_size", " evaluation takes batches of batch.grain"},
    {"eval_batch_size", " evaluation takes batches of batch.grain"},
    {"max_tokens", "batch.tokens"},
    {"mini_batch_words", "batch.tokens"},
    {"mini_batch", "batch.size"},
    {"warmup_steps", "schedule.warmup_steps"},
    {"warmup_ratio", "schedule.warmup_ratio"},
    {"warmup_epochs", "schedule.warmup_epochs"},
    {"warmup_updates", "schedule.warmup_steps"},
    {"num_warmup_steps", "schedule.warmup_steps"},
    {"lr_warmup", "schedule.warmup_steps"},
    {"warmup", " the words here are schedule.warmup_steps, warmup_epochs and warmup_ratio"},
    {"lr_scheduler_type", "schedule.name"},
    {"lr_scheduler", "schedule.name"},
    {"scheduler", "schedule.name"},
    {"sched", "schedule.name"},
    {"evaluation_strategy", " set evaluate.every_steps; without it every epoch ends with an evaluation"},
    {"eval_strategy", " set evaluate.every_steps; without it every epoch ends with an evaluation"},
    {"eval_steps", "evaluate.every_steps"},
    {"val_check_interval", "evaluate.every_steps"},
    {"valid_freq", "evaluate.every_steps"},
    {"validate_interval_updates", "evaluate.every_steps"},
    {"metric_for_best_model", "evaluate.metric"},
    {"monitor", "evaluate.metric"},
    {"best_checkpoint_metric", "evaluate.metric"},
    {"greater_is_better", best},
    {"load_best_model_at_end", best},
    {"early_stopping_patience", "evaluate.patience"},
    {"early_stopping", "evaluate.patience"},
    {"patience", "evaluate.patience"},
    {"save_strategy", " set checkpoint.every_steps or every_minutes; without them every epoch ends with a checkpoint"},
    {"save_steps", "checkpoint.every_steps"},
    {"save_freq", "checkpoint.every_steps"},
    {"save_interval_updates", "checkpoint.every_steps"},
    {"save_total_limit", "checkpoint.keep"},
    {"keep_last_epochs", "checkpoint.keep"},
    {"save_top_k", "checkpoint.keep"},
    {"resume_from_checkpoint", " a run goes on by itself where its output_dir holds a checkpoint"},
    {"label_smoothing_factor", "loss.label_smoothing"},
    {"smoothing", "loss.label_smoothing"},
    {"class_weight", "loss.class_weights"},
    {"bf16", " the word here is precision: bf16"},
    {"fp16", " the words here are precision: bf16 and precision: fp32"},
    {"dtype", "precision"},
    {"torch_dtype", "precision"},
    {"mixed_precision", "precision"},
    {"max_seq_length", "data.max_length"},
    {"max_seq_len", "data.max_length"},
    {"sequence_len", "data.max_length"},
    {"model_max_length", "data.max_length"},
    {"max_source_positions", "data.max_length"},
    {"train_file", "data.train"},
    {"train_data", "data.train"},
    {"train_set", "data.train"},
    {"train_sets", "data.train"},
    {"dataset_name", "data.train"},
    {"datasets", "data.train"},
    {"dataset", "data.train"},
    {"validation_file", "data.eval"},
    {"eval_file", "data.eval"},
    {"test_file", "data.eval"},
    {"valid_sets", "data.eval"},
    {"validation", "data.eval"},
    {"valid", "data.eval"},
    {"dev", "data.eval"},
    {"test", "data.eval"},
    {"text_column_name", "data.text"},
    {"text_column", "data.text"},
    {"text_column_names", "data.text"},
    {"label_column_name", "data.label"},
    {"label_column", "data.label"},
    {"delimiter", "data.delimiter"},
    {"sep", "data.delimiter"},
    {"column_delimiter", "data.delimiter"},
    {"field_delimiter", "data.delimiter"},
    {"quotechar", " CSV has its cells in double quotes where they need any, TSV has no quotes"},
    {"has_header", "data.header"},
    {"skip_header", "data.header"},
    {"file_format", "data.format"},
    {"file_type", "data.format"},
    {"ds_type", "data.format"},
    {"label_names", "data.labels"},
    {"id2label", "data.labels"},
    {"classes", "data.labels"},
    {"model_name_or_path", "model"},
    {"base_model", "model"},
    {"pretrained_model", "model"},
    {"model_name", "model"},
    {"task_name", "task"},
    {"problem_type", "task"},
    {"save_dir", "output_dir"},
    {"default_root_dir", "output_dir"},
    {"out_dir", "output_dir"},
    {"overwrite_output_dir", " a run goes on where it stopped; another run takes another output_dir"},
    {"data_seed", "seeds.order"},
    {"manual_seed", seeds},
    {"random_seed", seeds},
    {"hidden_dropout_prob", "dropout"},
    {"attention_probs_dropout_prob", "dropout"},
    {"time_limit", "max_time"},
    {"num_labels", " the number of labels is that of data.labels, or of the labels found in data.train"},
};

std::string_view leaf(std::string_view path) { return path.substr(path.rfind('.') + 1); }
std::string_view parent(std::string_view path) { return path.substr(0, path.size() - leaf(path).size()); }

// The known key that looks most like `path`: by its last word first, then by where it stands.
std::string nearest(const YamlDocument& document, std::string_view path) {
  std::size_t best_score = SIZE_MAX;
  std::string best_key;
  for (const std::string& known : document.known_keys()) {
    if (known.find('[') != std::string::npos && parent(known) != parent(path)) continue;  // inside some list
    const std::size_t words_apart = edit_distance(leaf(path), leaf(known));
    const std::size_t score =
        4 * words_apart + (parent(path) == parent(known) ? 0 : 1 + std::min<std::size_t>(2, edit_distance(parent(path), parent(known))));
    const std::size_t length = leaf(known).size(), allowed = length < 4 ? 1 : std::max<std::size_t>(2, length / 3);
    if (words_apart <= allowed && score < best_score) {
      best_score = score;
      best_key = known;
    }
  }
  return best_key;
}

std::string neighbours(const YamlDocument& document, std::string_view path) {
  std::string keys;
  for (const std::string& known : document.known_keys())
    if (parent(known) == parent(path)) keys += (keys.empty() ? "" : ", ") + std::string(leaf(known));
  return keys;
}

std::string advice(const YamlDocument& document, const std::string& path) {
  std::string name(leaf(path));
  std::replace(name.begin(), name.end(), '-', '_');
  for (const Word& word : words)
    if (word.theirs == name && word.ours != path)
      return word.ours.front() == ' ' ? std::string(word.ours.substr(1)) : fmt::format("the word here is {}", word.ours);
  if (const std::string key = nearest(document, path); !key.empty()) return fmt::format("the nearest key is {}", key);
  return fmt::format("the keys here are {}", neighbours(document, path));
}

}  // namespace

void refuse_unknown_keys(const YamlDocument& document) {
  std::string message;
  for (const YamlView& view : document.unknown())
    message += fmt::format("{}{}: unknown key; {}", message.empty() ? "" : "\n", view.where(), advice(document, view.path()));
  if (!message.empty()) throw RecipeError("{}", message);
}

}  // namespace thaw
