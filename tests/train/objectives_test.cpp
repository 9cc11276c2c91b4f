// One step of speech recognition, from recordings and transcripts to loss and gradients, against transformers.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/variable.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "datasets/audio/audio.h"
#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/comm/communicator.h"
#include "framework/models/registry.h"
#include "framework/tensor/safetensors.h"
#include "framework/train/data.h"
#include "framework/train/export.h"
#include "tests/support/reference.h"

namespace thaw {
namespace {

class Objectives : public ::testing::Test {
 protected:
  void SetUp() override {
    THAW_NEEDS_PYTHON();
    made_ = test::reference_folder("launcher/speech_models.py");
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  DataModel model_of(const std::string& name) const { return {made_ / name, JsonFile(made_ / name / "config.json").raw()}; }
  RunData data_of(const std::string& name, const std::vector<std::string>& overrides = {}) const {
    const Recipe recipe = parse_recipe("r.yaml",
                                       fmt::format("recipe: 1\ntask: automatic-speech-recognition\nmodel: m\noutput_dir: o\ndata: {{train: "
                                                   "{}, cache_dir: {}}}",
                                                   (made_ / "corpus/train.tsv").string(), (folder_ / "cache").string()),
                                       overrides);
    const std::unique_ptr<Communicator> alone = make_single_communicator();
    return open_data(recipe, model_of(name), *alone, [](const std::string&) {});
  }

  // A step of the first rows: its loss and every gradient, against CASE of the reference.
  void expect_parity(const RunData& data, Model& model, const std::string& name) const {
    const SafetensorsFile expected(folder_ / (name + ".safetensors"));
    model.set_precision(at::kFloat);
    model.set_learning(std::vector<bool>(model.parameters.size(), true));
    std::vector<RowOfSet> rows;
    double divisor = 0;
    for (std::uint64_t row = 0; row < 5; ++row) {
      rows.push_back({&data.train[0], row});
      divisor += data.objective->share(data.train[0], row);
    }
    Context context;
    const Targets targets = data.objective->targets(rows, context);
    std::vector<std::int64_t> cu_seqlens = data.inputs->read(rows, context);
    const Packed output = model.run(pack_of(std::move(cu_seqlens)), context, 0, static_cast<int>(model.layers.size()));
    const at::Tensor loss = data.objective->loss(output, targets) / divisor;
    loss.backward();
    const double wanted = expected.tensor("loss").item<double>();
    EXPECT_NEAR(loss.item<double>(), wanted, 1e-4 * wanted) << name;

    double largest = 0;
    std::size_t judged = 0;
    for (const std::string& tensor : expected.names())
      if (tensor.starts_with("grad/")) {
        largest = std::max(largest, expected.tensor(tensor).abs().max().item<double>());
        ++judged;
      }
    for (const Parameter& parameter : model.parameters) {
      if (parameter.fixed) continue;
      const at::Tensor theirs = expected.tensor("grad/" + parameter.name);
      at::Tensor ours = parameter.working.grad();
      if (!ours.defined()) ours = at::zeros(theirs.sizes());
      if (ours.is_sparse()) ours = ours.to_dense();
      EXPECT_LE((ours.to(at::kDouble) - theirs).abs().max().item<double>(), 1e-4 * largest) << name << " " << parameter.name;
      --judged;
    }
    EXPECT_LE(judged, 1U) << "sinusoidal positions alone are not learnt";
  }

  const fs::path folder_ = fs::temp_directory_path() / fmt::format("thaw-objectives-{}", ::getpid());
  fs::path made_;
};

TEST_F(Objectives, LossAndGradientsAsTransformers) {
  const RunData plain = data_of("whisper", {"speech.timestamps=0"}), times = data_of("whisper", {"speech.timestamps=1"}),
                ctc = data_of("wav2vec2");
  EXPECT_EQ(plain.train[0].shards->text(0), "abbb fdaa");
  const std::unique_ptr<Model> characters = load_model(made_ / "wav2vec2", ctc.objective->head(), 1);
  export_model(*characters, ctc, 0, made_ / "wav2vec2", folder_ / "ctc");
  const std::string command = fmt::format("'{}' '{}/tests/train/objectives_reference.py' '{}' '{}' '{}' > /dev/null", *test::python(),
                                          THAW_SOURCE_DIR, folder_.string(), made_.string(), (folder_ / "ctc").string());
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  for (const auto& [data, name] : {std::pair{&plain, "whisper"}, {&times, "times"}}) {
    const std::unique_ptr<Model> model = load_model(made_ / "whisper", data->objective->head(), 1);
    expect_parity(*data, *model, name);
  }
  expect_parity(ctc, *characters, "ctc");
}

// What every rank reckons of a row without reading it is what it turns out to be; and which rows have times is a row's own.
TEST_F(Objectives, SharesAndLengthsAreThoseOfTheTargets) {
  for (const char* timestamps : {"0", "0.5", "1"}) {
    const RunData data = data_of("whisper", {fmt::format("speech.timestamps={}", timestamps)}),
                  again = data_of("whisper", {fmt::format("speech.timestamps={}", timestamps)});
    const DataSet& set = data.train[0];
    std::size_t with_times = 0;
    for (std::uint64_t row = 0; row < set.shards->rows(); ++row) {
      Context context, context_again;
      const Targets targets = data.objective->targets({{&set, row}}, context);
      again.objective->targets({{&again.train[0], row}}, context_again);
      EXPECT_TRUE(at::equal(context.input_ids, context_again.input_ids)) << row;
      EXPECT_EQ(data.objective->decoder_length(set, row), context.input_ids.size(0)) << row;
      EXPECT_EQ(data.objective->share(set, row), targets.labels.ne(-100).sum().item<double>()) << row;
      EXPECT_EQ(targets.labels.size(0), context.input_ids.size(0)) << row;
      with_times += context.input_ids.size(0) == static_cast<std::int64_t>((*set.transcripts)[row].size()) + 3 ? 1 : 0;
    }
    if (timestamps == std::string("0.5")) {
      EXPECT_TRUE(with_times > 2 && with_times < 14) << with_times;
    } else {
      EXPECT_EQ(with_times, timestamps == std::string("1") ? 16U : 0U);
    }
  }
}

// Behind 30 s Whisper hears nothing.
TEST_F(Objectives, ARowThatWouldNotFitTheWindowIsNotSlowedDown) {
  fs::create_directories(folder_);
  for (const auto& [name, seconds] : {std::pair{"long.wav", 29}, {"short.wav", 20}}) {
    std::vector<float> samples(static_cast<std::size_t>(seconds) * 16000);
    for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = i % 40 < 20 ? 0.2F : -0.2F;
    write_file_atomically(folder_ / name, audio::encode_audio(samples, 16000, audio::AudioFormat::wav));
  }
  write_file_atomically(folder_ / "rows.tsv", "path\ttext\nlong.wav\tabc\nshort.wav\tabc\n");
  const RunData data = data_of("whisper", {"augment.speeds=[0.8]", fmt::format("data.train={}", (folder_ / "rows.tsv").string())});
  Context trained;
  trained.augmented = true;
  std::vector<double> speeds;
  for (std::uint64_t row = 0; row < 2; ++row) speeds.push_back(data.inputs->speed({&data.train[0], row}, trained, row));
  std::sort(speeds.begin(), speeds.end());
  EXPECT_EQ(speeds, (std::vector{0.8, 1.0}));
}

// Audio that is made faster ends earlier.
TEST_F(Objectives, TimesFollowTheSpeed) {
  const RunData data = data_of("whisper", {"speech.timestamps=1", "augment.speeds=[0.8, 1.25]"});
  const DataSet& set = data.train[0];
  Context trained, measured;
  trained.augmented = true;
  trained.random_key = 5;
  std::vector<RowOfSet> rows;
  for (std::uint64_t row = 0; row < 8; ++row) rows.push_back({&set, row});
  const Targets there = data.objective->targets(rows, trained), here = data.objective->targets(rows, measured);
  const std::vector<std::int64_t> frames = data.inputs->read(rows, trained);
  EXPECT_EQ(frames.back(), 8 * 3000);
  std::set<double> speeds;
  const std::int64_t zero = *data.tokenizer->token_id("<|0.00|>");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double speed = data.inputs->speed(rows[i], trained, i), seconds = static_cast<double>(set.shards->seconds()[i]);
    speeds.insert(speed);
    const auto end = [&](const Targets& targets) {
      return 0.02 * static_cast<double>(targets.labels[targets.cu_seqlens[i + 1] - 2].item<std::int64_t>() - zero);
    };
    EXPECT_NEAR(end(here), seconds, 0.0101);
    EXPECT_NEAR(end(there), seconds / speed, 0.0101);
    // Behind it there is silence: the features end where the audio does.
    const at::Tensor features = trained.features.slice(0, static_cast<std::int64_t>(i) * 3000, static_cast<std::int64_t>(i + 1) * 3000);
    const at::Tensor loud = (features.amax(1) > features.min() + 0.2).nonzero();
    EXPECT_NEAR(0.01 * static_cast<double>(loud[-1].item<std::int64_t>()), seconds / speed, 0.03);
  }
  EXPECT_EQ(speeds.size(), 2U);
}

// A row's own language where the model knows it, with a region or without; else the recipe's.
TEST_F(Objectives, LanguagesThatTheModelDoesNotKnow) {
  std::vector<float> samples(16000);
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = i % 40 < 20 ? 0.2F : -0.2F;
  write_file_atomically(folder_ / "one.wav", audio::encode_audio(samples, 16000, audio::AudioFormat::wav));
  const auto languages = [&](const std::string& rows, const std::string& of_recipe) {
    write_file_atomically(folder_ / "rows.tsv", fmt::format("path\ttext\tlocale\n{}", rows));
    std::vector<std::string> overrides{fmt::format("data.train={}", (folder_ / "rows.tsv").string())};
    if (!of_recipe.empty()) overrides.push_back(fmt::format("data.audio.language={}", of_recipe));
    const RunData data = data_of("multilingual", overrides);
    const DataSet& set = data.train[0];
    std::vector<std::int64_t> tokens;
    for (std::uint64_t row = 0; row < set.shards->rows(); ++row) {
      Context context;
      data.objective->targets({{&set, row}}, context);
      tokens.push_back(context.input_ids[1].item<std::int64_t>());
    }
    std::vector<std::string> found;
    for (const std::int64_t token : tokens) found.push_back(token == *data.tokenizer->token_id("<|ru|>") ? "ru" : "en");
    std::sort(found.begin(), found.end());  // shards may have another order
    return found;
  };
  using Texts = std::vector<std::string>;
  EXPECT_EQ(languages("one.wav\tabc\tru-RU\none.wav\tabc\ten\n", ""), (Texts{"en", "ru"}));
  EXPECT_EQ(languages("one.wav\tabc\tga-IE\none.wav\tabc\ten_GB\none.wav\tabc\t\n", "ru"), (Texts{"en", "ru", "ru"}));
  try {
    languages("one.wav\tabc\tga-IE\n", "");
    FAIL();
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("found 'ga-IE'"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("data.audio.language"), std::string::npos) << error.what();
  }
}

// A transcript of more tokens than the decoder takes loses its end, and nothing else.
TEST_F(Objectives, LongTranscriptsAreCut) {
  const RunData whole = data_of("whisper", {"speech.timestamps=1", "data.audio.text_rules=[lower]"});
  DataModel narrow = model_of("whisper");
  EXPECT_EQ(narrow.config["max_target_positions"], 40);
  const DataSet& set = whole.train[0];
  DataSet longer{"long", set.shards, {}, std::make_shared<const Transcripts>(*set.shards, [](const std::string&) {
                   return std::vector<std::uint32_t>(100, 66);
                 })};
  Context context;
  const Targets targets = whole.objective->targets({{&longer, 3}}, context);
  EXPECT_LE(context.input_ids.size(0), 40);
  EXPECT_EQ(whole.objective->decoder_length(longer, 3), context.input_ids.size(0));
  EXPECT_EQ(whole.objective->share(longer, 3), targets.labels.ne(-100).sum().item<double>());
}

}  // namespace
}  // namespace thaw
