#include "tests/launcher/program.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "framework/base/file.h"
#include "framework/base/random.h"
#include "framework/models/registry.h"
#include "framework/tensor/safetensors.h"

namespace thaw::test {
namespace {

const std::vector<std::string> words{"good", "fine", "great", "moving", "fun",   "bad", "dull", "poor", "weak", "slow",
                                     "the",  "a",    "film",  "plot",   "actor", "is",  "was",  "and",  "very", "scene"};

}  // namespace

Ran shell(const std::string& command) {
  const auto start = std::chrono::steady_clock::now();
  Ran ran;
  FILE* const pipe = ::popen(("timeout -k 1 150 bash -c '" + command + "' 2>&1").c_str(), "r");
  char buffer[4096];
  while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) ran.output.append(buffer, got);
  const int status = ::pclose(pipe);
  ran.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  ran.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return ran;
}

std::string thaw_command(const std::string& arguments, int ranks) {
  // Tests run beside one another: a thread that spins while it waits would take the core from a thread that works.
  const std::string program = "env OMP_WAIT_POLICY=passive " THAW_BINARY_DIR "/thaw " + arguments;
  return ranks == 1 ? program : fmt::format(". {}/cluster/mpi.sh; {} -n {} {}", THAW_SOURCE_DIR, THAW_MPIRUN, ranks, program);
}

Ran thaw_on_two_nodes(const std::string& arguments) {
  return shell(
      fmt::format(". {0}/cluster/mpi.sh; {1} --host first:1,second:1 --mca plm_rsh_agent {0}/tests/support/local_agent.sh "
                  "--mca rtc ^hwloc --mca btl tcp,self --mca btl_tcp_if_include lo -n 2 {2}",
                  THAW_SOURCE_DIR, THAW_MPIRUN, thaw_command(arguments)));
}

const std::string hold_runs = "export LD_PRELOAD=" THAW_HELD_RUN;

Ran thaw(const std::string& arguments, int ranks) { return shell(thaw_command(arguments, ranks)); }

Background::Background(const std::string& command) : session_(::fork()) {
  if (session_ != 0) return;
  ::setsid();
  const std::string quiet = "exec >/dev/null 2>&1; " + command;
  ::execl("/bin/bash", "bash", "-c", quiet.c_str(), nullptr);
  ::_exit(127);
}

// Ranks have process groups of their own, but their launcher's session.
void Background::kill(int signal) {
  bool some = true;
  for (int round = 0; some && round < 100; ++round) {
    some = false;
    for (const auto& process : fs::directory_iterator("/proc")) {
      std::ifstream stat(process.path() / "stat");
      std::string text, state, skip;
      std::getline(stat, text);
      if (text.rfind(')') == std::string::npos) continue;
      std::istringstream fields(text.substr(text.rfind(')') + 1));
      pid_t session = 0;
      fields >> state >> skip >> skip >> session;
      if (session != session_ || state == "Z") continue;
      some = true;
      ::kill(static_cast<pid_t>(std::stol(process.path().filename().string())), signal);
    }
    if (signal != SIGKILL) return;
    ::waitpid(session_, nullptr, WNOHANG);
  }
}

bool wait_until(const std::function<bool()>& holds) {
  for (int i = 0; i < 15000; ++i) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

Workshop::Workshop(int blocks) : folder_(fs::temp_directory_path() / fmt::format("thaw-test-{}-{}", ::getpid(), std::rand())) {
  fs::create_directories(folder_ / "model");
  const Json config{{"model_type", "bert"},    {"hidden_size", 32}, {"num_hidden_layers", blocks},   {"num_attention_heads", 4},
                    {"intermediate_size", 48}, {"vocab_size", 25},  {"max_position_embeddings", 32}, {"initializer_range", 0.1}};
  write("model/config.json", config.dump());
  std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (const std::string& word : words) vocabulary += word + "\n";
  write("model/vocab.txt", vocabulary);
  const auto model = build_model(JsonView(config, "config.json"), {2});
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const Parameter& parameter : model->parameters) {
    at::Tensor value = at::empty(parameter.value.sizes());
    const std::uint64_t key = random_key(7, tensors.size());
    for (std::int64_t i = 0; i < value.numel(); ++i)
      value.data_ptr<float>()[i] = static_cast<float>(philox(key, static_cast<std::uint64_t>(i))[0] / 4294967296.0 - 0.5) * 0.4F;
    if (parameter.role == Role::norm && parameter.name.ends_with("weight")) value += 1;
    if (!parameter.name.starts_with("classifier")) tensors.emplace_back(parameter.name, value);
  }
  write_safetensors(folder_ / "model" / "model.safetensors", tensors);
  write("train.tsv", rows(1, 90));
  write("dev.tsv", rows(2, 41));
  write("recipe.yaml", fmt::format(R"(recipe: 1
task: text-classification
model: {0}/model
output_dir: {0}/run
epochs: 2
data:
  train: {0}/train.tsv
  eval: {0}/dev.tsv
  cache_dir: {0}/cache
  max_length: 32
batch: {{size: 16, grain: 4}}
optimizer: {{lr: 1.0e-03}}
schedule: {{name: linear, warmup_ratio: 0.1}}
)",
                                   folder_.string()));
}

Workshop::~Workshop() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void Workshop::write(const std::string& name, const std::string& content) const { write_file_atomically(folder_ / name, content); }

std::string Workshop::file(const std::string& name) const { return read_file(folder_ / name); }

// Rows of 3 to 14 words; the label is whether good words outnumber bad ones.
std::string Workshop::rows(std::uint64_t seed, int count) {
  std::string text = "text\tlabel\n";
  for (int row = 0; row < count; ++row) {
    const std::uint64_t key = random_key(seed, row);
    int balance = 0;
    const auto length = 3 + philox(key, 1000)[0] % 12;
    for (std::uint64_t i = 0; i < length; ++i) {
      const std::size_t word = philox(key, i)[0] % words.size();
      balance += word < 5 ? 1 : word < 10 ? -1 : 0;
      text += (i == 0 ? "" : " ") + words[word];
    }
    text += balance > 0 ? "\tgood\n" : "\tbad\n";
  }
  return text;
}

std::string Workshop::train(const std::string& run, const std::string& overrides) const {
  return fmt::format("train {} output_dir={} {}", path("recipe.yaml"), path(run), overrides);
}

std::vector<Json> Workshop::log(const std::string& run) const {
  std::vector<Json> steps;
  std::istringstream lines(file(run + "/log.jsonl"));
  for (std::string line; std::getline(lines, line);)
    if (Json entry = Json::parse(line); entry.contains("loss")) steps.push_back(std::move(entry));
  return steps;
}

}  // namespace thaw::test
