// Weights stay in the file until something writes to them: what several ranks of a node need together, and what that leaves alone.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <functional>

#include "framework/base/bus_error.h"
#include "framework/base/file.h"
#include "framework/models/registry.h"
#include "framework/tensor/safetensors.h"

namespace thaw {
namespace {

using Tensors = std::vector<std::pair<std::string, at::Tensor>>;

// In so many files: one model.safetensors, or shards with their index.
Tensors write_bert(const fs::path& directory, int width, int blocks, int vocabulary, std::size_t files = 1) {
  fs::create_directories(directory);
  const Json config{{"model_type", "bert"},         {"hidden_size", width},           {"num_hidden_layers", blocks},
                    {"num_attention_heads", 4},     {"intermediate_size", 4 * width}, {"vocab_size", vocabulary},
                    {"max_position_embeddings", 32}};
  write_file_atomically(directory / "config.json", config.dump());
  const auto model = build_model(JsonView(config, "config.json"), {2});
  Tensors tensors;
  for (const Parameter& parameter : model->parameters) {
    at::Tensor value = at::empty(parameter.value.sizes());
    const std::uint64_t key = random_key(7, tensors.size());
    for (std::int64_t i = 0; i < value.numel(); ++i)
      value.data_ptr<float>()[i] = static_cast<float>(philox(key, static_cast<std::uint64_t>(i))[0] / 4294967296.0 - 0.5) * 0.1F;
    tensors.emplace_back(parameter.name, value);
  }
  if (files == 1) {
    write_safetensors(directory / "model.safetensors", tensors);
    return tensors;
  }
  Json index;
  for (std::size_t file = 0; file < files; ++file) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", file + 1, files);
    const auto at = [&](std::size_t of) { return tensors.begin() + static_cast<std::ptrdiff_t>(tensors.size() * of / files); };
    const Tensors shard(at(file), at(file + 1));
    for (const auto& [tensor, unused] : shard) index["weight_map"][tensor] = name;
    write_safetensors(directory / name, shard);
  }
  write_file_atomically(directory / "model.safetensors.index.json", index.dump());
  return tensors;
}

at::Tensor logits_of(const Model& model) {
  const at::NoGradGuard no_grad;
  const at::Tensor ids = at::arange(24) % 8, positions = at::arange(24) % 12;
  return model.forward({0, 12, 24}, {ids, at::zeros_like(ids), positions});
}

// Bytes that a process needs of the node: each page it maps divided by how many processes map it.
double share_of_node(pid_t process) {
  std::ifstream rollup(fmt::format("/proc/{}/smaps_rollup", process));
  for (std::string line; std::getline(rollup, line);)
    if (line.starts_with("Pss:")) return std::strtod(line.c_str() + 4, nullptr) * 1024;
  return 0;
}

// A process that stops after each of its parts until it is told to go on.
class Rank {
 public:
  explicit Rank(const std::vector<std::function<void()>>& parts) {
    if (::pipe(go_) != 0 || ::pipe(done_) != 0) throw std::runtime_error("no pipes");
    process_ = ::fork();
    if (process_ != 0) return;
    ::alarm(60);
    at::set_num_threads(1);  // threads do not outlive a fork
    char byte = 0;
    for (const auto& part : parts) {
      if (::read(go_[0], &byte, 1) != 1) ::_exit(2);
      part();
      if (::write(done_[1], "d", 1) != 1) ::_exit(3);
    }
    if (::read(go_[0], &byte, 1) != 1) ::_exit(4);
    ::_exit(0);
  }
  Rank(const Rank&) = delete;
  ~Rank() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    for (const int end : {go_[0], go_[1], done_[0], done_[1]}) ::close(end);
  }
  void run_next() {
    ASSERT_EQ(::write(go_[1], "g", 1), 1);
    char byte = 0;
    ASSERT_EQ(::read(done_[0], &byte, 1), 1);
  }
  double share() const { return share_of_node(process_); }

 private:
  int go_[2], done_[2];
  pid_t process_;
};

class Mapped : public ::testing::Test {
 protected:
  void TearDown() override { fs::remove_all(folder); }
  std::string bytes() const { return read_file(folder / "model/model.safetensors"); }
  fs::path folder = fs::temp_directory_path() / fmt::format("thaw-mapped-{}", ::getpid());
};

class MappedFiles : public Mapped, public ::testing::WithParamInterface<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(In, MappedFiles, ::testing::Values(1, 3));

TEST_P(MappedFiles, RanksShareAFrozenModel) {
  write_bert(folder / "small", 512, 2, 32);  // as wide: what kernels need for themselves is there before the model
  write_bert(folder / "model", 512, 16, 6000, GetParam());
  std::unique_ptr<Model> small, model;
  const auto load = [&](const char* name, std::unique_ptr<Model>& into) {
    into = load_model(folder / name, {2}, 1);
    into->set_precision(at::kFloat);
    for (const Parameter& parameter : into->parameters)
      if (!std::isfinite(parameter.working.sum().item<float>())) ::_exit(5);
  };
  const std::vector<std::function<void()>> parts{[&] { load("small", small), logits_of(*small); }, [&] { load("model", model); },
                                                 [&] { logits_of(*model); }};
  std::vector<std::unique_ptr<Rank>> ranks;
  for (int i = 0; i < 3; ++i) ranks.push_back(std::make_unique<Rank>(parts));
  std::vector<double> shares;  // of all ranks, after each part
  for (std::size_t i = 0; i < parts.size(); ++i) {
    for (const auto& rank : ranks) rank->run_next();
    shares.push_back(0);
    for (const auto& rank : ranks) shares.back() += rank->share();
  }
  double file = 0;
  for (const auto& entry : fs::directory_iterator(folder / "model"))
    if (entry.path().extension() == ".safetensors") file += static_cast<double>(entry.file_size());
  fmt::print(
      "{:.1f} MB of weights; Pss of 3 ranks {:.1f} MB, with the model {:.1f} MB ({:.3f} files more), after a pass {:.1f} MB ({:.3f})\n",
      file / 1e6, shares[0] / 1e6, shares[1] / 1e6, (shares[1] - shares[0]) / file, shares[2] / 1e6, (shares[2] - shares[0]) / file);
  EXPECT_GT(shares[1] - shares[0], 0.9 * file) << "the weights were not read";
  EXPECT_LE(shares[1] - shares[0], 1.1 * file);
  EXPECT_LE(shares[2] - shares[0], 1.1 * file);
}

TEST_F(Mapped, OnlyWhatLearnsIsCopied) {
  const Tensors written = write_bert(folder / "model", 32, 2, 32);
  const std::string before = bytes();
  const auto model = load_model(folder / "model", {2}, 1), still = load_model(folder / "model", {2}, 1);
  for (Model* const m : {model.get(), still.get()}) m->set_precision(at::kFloat);
  for (std::size_t i = 0; i < written.size(); ++i) {
    EXPECT_TRUE(model->parameters[i].mapped) << written[i].first;
    EXPECT_TRUE(at::equal(model->parameters[i].value, written[i].second)) << written[i].first;
  }
  const at::Tensor frozen = logits_of(*model);

  std::vector<bool> learning(written.size());
  for (std::size_t i = 0; i < learning.size(); ++i) learning[i] = model->parameters[i].group >= 2;
  model->set_learning(learning);
  EXPECT_TRUE(at::equal(logits_of(*model), frozen)) << "owning a weight changes no bit";
  for (std::size_t i = 0; i < learning.size(); ++i) {
    Parameter& parameter = model->parameters[i];
    EXPECT_EQ(parameter.mapped, !learning[i]);
    EXPECT_EQ(parameter.working.requires_grad(), learning[i]);
    EXPECT_EQ(parameter.working.data_ptr(), parameter.value.data_ptr());
    if (learning[i]) parameter.value.fill_(3);
  }
  EXPECT_EQ(bytes(), before);
  EXPECT_TRUE(at::equal(logits_of(*still), frozen)) << "another model of the same file has its weights still";
}

TEST_F(Mapped, SettingWhatTheFileHasCopiesNothing) {
  const Tensors written = write_bert(folder / "model", 32, 1, 32);
  const auto model = load_model(folder / "model", {2}, 1);
  model->set_precision(at::kFloat);
  Parameter& parameter = model->parameters[0];
  parameter.set(written[0].second.clone());
  EXPECT_TRUE(parameter.mapped);
  at::Tensor other = written[0].second.clone();
  other[1][1] += 1;
  parameter.set(other);
  EXPECT_FALSE(parameter.mapped);
  EXPECT_TRUE(at::equal(parameter.working, other));
  reinitialise(*model, 0, 1);
  for (const Parameter& p : model->parameters) EXPECT_EQ(p.mapped, &p != &parameter && p.group < 2) << p.name;
  EXPECT_TRUE(at::equal(SafetensorsFile(folder / "model/model.safetensors").tensor(parameter.name), written[0].second));
}

TEST_F(Mapped, Bf16CopiesMatricesBesideTheValues) {
  write_bert(folder / "model", 32, 1, 32);
  const auto model = load_model(folder / "model", {2}, 1);
  model->set_precision(at::kBFloat16);
  for (const Parameter& parameter : model->parameters) {
    EXPECT_TRUE(parameter.mapped);
    EXPECT_EQ(parameter.working.scalar_type(), parameter.keep_fp32 ? at::kFloat : at::kBFloat16) << parameter.name;
  }
  model->set_learning(std::vector<bool>(model->parameters.size(), true));
  for (Parameter& parameter : model->parameters) {
    parameter.set(at::full(parameter.value.sizes(), 2));
    EXPECT_TRUE(at::equal(parameter.working.to(at::kFloat), parameter.value)) << parameter.name;
  }
}

// A header of any length puts tensors at any byte; a type of two bytes leaves the next ones at odd places.
TEST_F(Mapped, UnalignedTensorsAreCopied) {
  const Tensors written = write_bert(folder / "model", 32, 1, 32);
  const at::Tensor expected = [&] {
    const auto model = load_model(folder / "model", {2}, 1);
    model->set_precision(at::kFloat);
    return logits_of(*model);
  }();
  const std::string aligned = bytes();
  std::uint64_t header = 0;
  std::memcpy(&header, aligned.data(), 8);
  const std::uint64_t longer = header + 1;
  std::string shifted(8, '\0');
  std::memcpy(shifted.data(), &longer, 8);
  shifted += aligned.substr(8, header) + " " + aligned.substr(8 + header);
  write_file_atomically(folder / "model/model.safetensors", shifted);
  const auto model = load_model(folder / "model", {2}, 1);
  model->set_precision(at::kFloat);
  for (std::size_t i = 0; i < written.size(); ++i) {
    EXPECT_FALSE(model->parameters[i].mapped);
    EXPECT_TRUE(at::equal(model->parameters[i].value, written[i].second));
  }
  EXPECT_TRUE(at::allclose(logits_of(*model), expected, 1e-5, 1e-6));
}

TEST_F(Mapped, OtherTypesAreConverted) {
  Tensors written = write_bert(folder / "model", 32, 1, 32);
  for (auto& [name, tensor] : written) tensor = tensor.to(at::kHalf);
  write_safetensors(folder / "model/model.safetensors", written);
  const auto model = load_model(folder / "model", {2}, 1);
  for (std::size_t i = 0; i < written.size(); ++i) {
    EXPECT_FALSE(model->parameters[i].mapped);
    EXPECT_TRUE(at::equal(model->parameters[i].value, written[i].second.to(at::kFloat)));
  }
}

TEST_F(Mapped, AFileTruncatedWhileItIsUsedIsNamed) {
  const fs::path file = folder / "model/model.safetensors";
  for (const std::uintmax_t left : {50000, 4096, 100}) {
    write_bert(folder / "model", 32, 2, 32);
    EXPECT_EXIT(
        {
          explain_bus_errors();
          at::set_num_threads(1);
          const auto model = load_model(folder / "model", {2}, 1);
          model->set_precision(at::kFloat);
          fs::resize_file(file, left);
          logits_of(*model);
        },
        ::testing::ExitedWithCode(74), "model.safetensors: shrank while it was being read")
        << left;
  }
}

}  // namespace
}  // namespace thaw
