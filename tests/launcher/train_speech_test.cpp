// thaw train on speech: Whisper and CTC models learn to transcribe, both kinds to tell sounds apart; the same bits on any number of
// ranks and after interruptions; and transformers finds in best/ what we measured.
#include <fmt/format.h>

#include <cmath>
#include <regex>
#include <set>
#include <sstream>
#include <tuple>

#include "datasets/audio/audio.h"
#include "framework/base/file.h"
#include "framework/comm/communicator.h"
#include "framework/models/registry.h"
#include "framework/tensor/safetensors.h"
#include "framework/train/data.h"
#include "tests/launcher/speech_program.h"
#include "tests/support/whisper_weights.h"

namespace thaw::test {
namespace {

using TrainSpeech = SpeechProgram;

// One evaluation, after the last step: best/, eval/ and result.json are of the same weights.
const std::string at_the_end = "evaluate.every_steps=1000 ";

TEST_F(TrainSpeech, WhisperLearnsToTheSameBitsOnAnyRanksAndAfterInterruptions) {
  recipe("whisper", "whisper", "epochs: 3\nreproducible: true\nspeech: {short_rows: true}");
  run("whisper", "on1");
  const auto [first, last] = first_and_last("on1", 2);
  EXPECT_LT(last, 0.8 * first);
  ASSERT_EQ(evaluations("on1").size(), 3U);
  for (const Json& metrics : evaluations("on1"))
    for (const char* name : {"dev/loss", "dev/wer", "dev/cer", "dev/wer/speaker/ann", "dev/wer/speaker/bob", "dev/cer/speaker/bob"})
      EXPECT_GT(metrics.value(name, -1.0), 0) << name;
  EXPECT_LT(evaluations("on1")[2]["dev/loss"], 0.9 * evaluations("on1")[0]["dev/loss"].get<double>());
  EXPECT_EQ(result("on1")["metric"], "dev/wer");
  run("whisper", "on2", "", 2);
  expect_same_bits("on1", "on2");

  int stops = 0;
  for (int exit_code = 75; exit_code == 75 && stops < 30; ++stops) {
    const Ran ran = thaw(train("whisper", "parts", "max_time=0.001s"), 1 + stops % 2);
    exit_code = ran.exit_code;
    ASSERT_TRUE(exit_code == 75 || exit_code == 0) << ran.output;
  }
  EXPECT_GE(stops, 6);
  expect_same_bits("on1", "parts");
}

// Windows of 30 s, whose encoder sleeps: its output is computed once.
TEST_F(TrainSpeech, AKeptEncoderGivesTheSameLosses) {
  recipe("whisper", "whisper", "thaw: {phases: [{trainable: [decoder], until: {epochs: 3}}]}\nevaluate: {every_steps: 1000, max_rows: 4}");
  for (const int ranks : {1, 2}) {
    const std::string with = fmt::format("with{}", ranks), without = fmt::format("without{}", ranks);
    const Ran kept = run("whisper", with, "", ranks);
    run("whisper", without, "cache.activations=off", ranks);
    EXPECT_NE(kept.output.find("cache      activations before decoder"), std::string::npos) << kept.output;
    EXPECT_GT(result(with)["phases"][0]["cache_hits"], 0);
    EXPECT_EQ(result(without)["phases"][0]["cache_hits"], 0);
    const auto a = shop.log(with), b = shop.log(without);
    ASSERT_EQ(a.size(), b.size());
    ASSERT_EQ(a.size(), 6U);
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_NEAR(a[i]["loss"].get<double>(), b[i]["loss"].get<double>(), 2e-5) << "step " << i + 1;
      EXPECT_NEAR(a[i]["loss"].get<double>(), shop.log("with1")[i]["loss"].get<double>(), 2e-5) << "step " << i + 1;
    }
    EXPECT_LT(a.back()["loss"], 0.9 * a.front()["loss"].get<double>());
  }
}

TEST_F(TrainSpeech, WhisperSaysTheSameInTransformers) {
  recipe("whisper", "whisper", "dropout: 0\nspeech: {timestamps: 0}\nthaw: {phases: [{trainable: [decoder], until: {epochs: 20}}]}");
  const Ran ran = run("whisper", "run", at_the_end + "batch.size=4 optimizer.lr=0.005");
  const auto [first, last] = first_and_last("run", 4);
  EXPECT_LT(last, 0.4 * first);
  const Json theirs = judged(fmt::format("speech {} {}", shop.path("run/best"), made("corpus/dev.tsv")));
  const Json ours = judged(fmt::format("report {} {}", made("corpus/dev.tsv"), shop.path("run/eval/dev.wer.txt")));
  EXPECT_EQ(ours["hypotheses"], theirs["texts"]) << ran.output;
}

// Without its generation_config.json transformers would neither take a language nor give times. CTranslate2's folders have none.
TEST_F(TrainSpeech, AWhisperSaysItsLanguagesTasksAndTimes) {
  const fs::path base = whisper_weights("base");
  if (!fs::exists(base)) GTEST_SKIP() << base << " is not there: recipes/data/whisper.sh brings it";
  recipe("whisper", "whisper", "steps: 1");
  run("whisper", "run", fmt::format("model={} data.audio.language=ru batch.size=2 batch.grain=2 evaluate.max_rows=1", base.string()));
  const Json file = Json::parse(shop.file("run/best/generation_config.json"));
  EXPECT_EQ(file["lang_to_id"]["<|ru|>"], 50263);
  EXPECT_EQ(file["language"], "<|ru|>");
  EXPECT_EQ(file["task_to_id"], (Json{{"transcribe", 50359}, {"translate", 50358}}));
  EXPECT_EQ(file["task"], "transcribe");
  EXPECT_EQ(file["decoder_start_token_id"], 50258);
  EXPECT_EQ(file["no_timestamps_token_id"], 50363);
  EXPECT_EQ(file["begin_suppress_tokens"], Json::parse("[220, 50257]"));
  EXPECT_EQ(file["alignment_heads"][0], Json::parse("[3, 1]"));
  EXPECT_EQ(file["suppress_tokens"].size(), 88U);
}

// As facebook/wav2vec2-base-960h is published.
TEST_F(TrainSpeech, AModelWithoutItsVectorOfMasksIsMeasured) {
  recipe("ctc", "wav2vec2", "steps: 1");
  run("ctc", "run", at_the_end);
  const fs::path file = shop.path("run/best/model.safetensors");
  std::vector<std::pair<std::string, at::Tensor>> kept;
  const SafetensorsFile all(file);
  for (const std::string& name : all.names())
    if (!name.ends_with("masked_spec_embed")) kept.emplace_back(name, all.tensor(name).clone());
  ASSERT_EQ(kept.size() + 1, all.names().size());
  write_safetensors(file, kept, {{"format", "pt"}});
  const Ran ran = thaw(fmt::format("eval {} --data {} --json", shop.path("run/best"), made("corpus/dev.tsv")));
  EXPECT_EQ(ran.exit_code, 0) << ran.output;
}

// All but the convolutions learns, on what they made once: the same losses as without it, also where they are narrower than the blocks.
TEST_F(TrainSpeech, KeptConvolutionsGiveTheSameLosses) {
  for (const char* precision : {"fp32", "bf16"}) {
    recipe("ctc", "wav2vec2", "dropout: 0\nthaw: {phases: [{trainable: [all, not feature_extractor], until: {epochs: 3}}]}");
    const std::string with = fmt::format("with-{}", precision), without = fmt::format("without-{}", precision);
    const Ran kept = run("ctc", with, fmt::format("precision={}", precision), 2);
    EXPECT_NE(kept.output.find("cache      activations before embeddings"), std::string::npos) << kept.output;
    run("ctc", without, fmt::format("precision={} cache.activations=off", precision), 2);
    EXPECT_GT(result(with)["phases"][0]["cache_hits"], 0);
    const auto a = shop.log(with), b = shop.log(without);
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i]["loss"].get<double>(), b[i]["loss"].get<double>(), 2e-5) << precision << i;
  }
}

// What an evaluation says, by jiwer; and a bound on what is transcribed.
TEST_F(TrainSpeech, ErrorReports) {
  recipe("whisper", "whisper", "epochs: 6\nspeech: {short_rows: true}");
  run("whisper", "all", at_the_end);
  const Json judge = judged(fmt::format("report {} {}", made("corpus/dev.tsv"), shop.path("all/eval/dev.wer.txt")));
  const Json metrics = result("all")["metrics"];
  EXPECT_TRUE(judge["references_right"].get<bool>());
  EXPECT_EQ(judge["utterances"], 8);
  EXPECT_GT(judge["listed"], 0);
  EXPECT_EQ(judge["listed"].get<int>() + judge["right"].get<int>(), 8);
  EXPECT_NEAR(judge["wer"].get<double>(), metrics["dev/wer"].get<double>(), 1e-9);
  EXPECT_NEAR(judge["cer"].get<double>(), metrics["dev/cer"].get<double>(), 1e-9);
  EXPECT_NEAR(100 * judge["wer"].get<double>(), judge["said_wer"].get<double>(), 0.0051);
  EXPECT_NEAR(100 * judge["cer"].get<double>(), judge["said_cer"].get<double>(), 0.0051);

  // With a beam search as thaw transcribe searches.
  const auto measured = [&](const std::string& more) {
    const Ran ran = thaw("eval " + shop.path("all") + " --json --data " + made("corpus/dev.tsv") + " " + more + " 2>/dev/null");
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
    return Json::parse(ran.output)["metrics"];
  };
  EXPECT_NEAR(measured("evaluate.beams=1")["wer"].get<double>(), metrics["dev/wer"].get<double>(), 1e-12);
  EXPECT_NEAR(measured("evaluate.beams=4")["loss"].get<double>(), metrics["dev/loss"].get<double>(), 1e-9);

  // The rows that are counted are those that were measured.
  const std::string eval = fmt::format("eval {} --data {} ", shop.path("all"), made("corpus/dev.tsv"));
  for (const auto& [most, rows, said] : {std::tuple{0, 8, "8 rows of "}, {3, 3, "3 of 8 rows of "}, {9, 8, "8 rows of "}}) {
    const std::string bound = fmt::format("evaluate.max_rows={} ", most);
    const Ran json = thaw(eval + bound + "--json 2>/dev/null"), text = thaw(eval + bound + "2>/dev/null");
    ASSERT_EQ(json.exit_code, 0) << json.output;
    EXPECT_EQ(Json::parse(json.output)["rows"], rows);
    EXPECT_EQ(text.output.find(said), 0U) << text.output;
  }

  run("whisper", "some", at_the_end + "evaluate.max_rows=3");
  EXPECT_NE(shop.file("some/eval/dev.wer.txt").find("utterances            3,"), std::string::npos);
  // A finished model is measured on all rows; the recipe's bound was training's.
  const Ran all = thaw("eval " + shop.path("some") + " --json --data " + made("corpus/dev.tsv") + " 2>/dev/null");
  ASSERT_EQ(all.exit_code, 0) << all.output;
  EXPECT_NEAR(Json::parse(all.output)["metrics"]["wer"].get<double>(), metrics["dev/wer"].get<double>(), 1e-12);
}

// Our logits of every row of a table, by the run's own inputs and model.
void write_logits(const std::string& best, const Recipe& recipe, const std::string& table, const fs::path& out) {
  const DataModel directory{best, JsonFile(fs::path(best) / "config.json").raw()};
  const std::unique_ptr<Communicator> alone = make_single_communicator();
  const RunData data = data_of_model(recipe, directory, {});
  const DataSet set = open_set("dev", table, recipe, data, directory, *alone, [](const std::string&) {});
  LoadReport report;
  const std::unique_ptr<Model> model = load_model(best, data.objective->head(), 0, &report);
  EXPECT_TRUE(report.initialised.empty());
  model->set_precision(at::kFloat);
  const at::NoGradGuard no_grad;
  std::vector<std::pair<std::string, at::Tensor>> logits;
  for (std::uint64_t row = 0; row < set.shards->rows(); ++row) {
    Context context;
    std::vector<std::int64_t> cu_seqlens = data.inputs->read({{&set, row}}, context);
    const Packed output = model->run(pack_of(std::move(cu_seqlens)), context, 0, static_cast<int>(model->layers.size()));
    logits.emplace_back(set.shards->id(row), output.values.slice(0, 0, output.cu_seqlens.back()).contiguous());
  }
  write_safetensors(out, logits);
}

TEST_F(TrainSpeech, ACtcModelSpellsWithTheTranscriptsCharacters) {
  recipe("ctc", "wav2vec2", "epochs: 6\nreproducible: true");
  const Ran ran = run("ctc", "on1", at_the_end);
  expect_said(ran, 0,
              {"vocabulary 9 characters of the training transcripts, as written: <pad> <unk> | a b c d e f", "CTC: 9 characters",
               "new, to be learnt: lm_head.weight, lm_head.bias"});
  const auto [first, last] = first_and_last("on1", 2);
  EXPECT_LT(last, 0.7 * first);
  for (const char* file : {"vocab.json", "preprocessor_config.json", "tokenizer_config.json", "special_tokens_map.json"})
    EXPECT_TRUE(fs::exists(shop.path(fmt::format("on1/best/{}", file)))) << file;
  run("ctc", "on2", at_the_end, 2);
  expect_same_bits("on1", "on2");
  // A run that goes on from this model keeps its vocabulary and head; another vocabulary of as many characters gets a new head.
  recipe_for("again", "automatic-speech-recognition", shop.path("on1/best"), made("corpus/train.tsv"), made("corpus/dev.tsv"), "steps: 1");
  EXPECT_EQ(run("again", "again").output.find("to be learnt"), std::string::npos);
  std::string other = read_file(made("corpus/train.tsv"));
  for (std::size_t at = other.find('\n'); at != std::string::npos; at = other.find('\n', at + 1)) {
    const std::size_t text = other.find('\t', at), end = other.find('\t', text + 1);
    for (std::size_t i = text; i < end && text != std::string::npos; ++i) other[i] = other[i] == 'f' ? 'g' : other[i];
  }
  shop.write("other.tsv", other);
  expect_said(run("again", "other",
                  fmt::format("speech.vocabulary=transcripts data.train={} data.eval=null data.audio.root={}", shop.path("other.tsv"),
                              made("corpus"))),
              0, {"a b c d e g", "new, to be learnt: lm_head.weight, lm_head.bias"});
}

// Of a model that has learnt little: it says much, and little of it is right.
TEST_F(TrainSpeech, ACtcModelSpellsTheSameInTransformers) {
  recipe("ctc", "wav2vec2", "steps: 2");
  run("ctc", "run", at_the_end + "optimizer.lr=1e-4");
  write_logits(shop.path("run/best"), read_recipe(shop.path("run/recipe.yaml")), made("corpus/dev.tsv"), shop.path("logits.safetensors"));
  const Json theirs = judged(fmt::format("ctc {} {} {}", shop.path("run/best"), made("corpus/dev.tsv"), shop.path("logits.safetensors")));
  EXPECT_LE(theirs["error"].get<double>(), 1e-4 * theirs["scale"].get<double>());
  EXPECT_EQ(theirs["pad"], 0);
  EXPECT_EQ(theirs["size"], 9);
  EXPECT_EQ(theirs["vocabulary"]["f"], 8);
  EXPECT_EQ(theirs["spelled"], "eda af");
  EXPECT_NE(theirs["texts"]["dev00"], "");
  const Json ours = judged(fmt::format("report {} {}", made("corpus/dev.tsv"), shop.path("run/eval/dev.wer.txt")));
  EXPECT_EQ(ours["hypotheses"], theirs["texts"]);
  const Ran all = thaw("eval " + shop.path("run") + " --json --data " + made("corpus/dev.tsv") + " 2>/dev/null");
  ASSERT_EQ(all.exit_code, 0) << all.output;
  for (const char* metric : {"loss", "wer", "cer"})
    EXPECT_NEAR(Json::parse(all.output)["metrics"][metric].get<double>(),
                result("run")["metrics"][fmt::format("dev/{}", metric)].get<double>(), 1e-6);
}

// A head of CTC on Whisper's encoder, which sleeps and is kept. What is heard in training's evaluation, thaw transcribe hears as well,
// and the model says when a Whisper's words are said.
TEST_F(TrainSpeech, AWhisperIsTaughtToSpell) {
  recipe("letters", "whisper", "speech: {head: ctc}\nthaw: {phases: [{trainable: [head], until: {epochs: 40}}]}");
  const Ran ran = run("letters", "run", at_the_end + "optimizer.lr=0.03 batch.size=4");
  expect_said(ran, 0,
              {"vocabulary 9 characters of the training transcripts", "CTC: 9 characters", "activations before head",
               "new, to be learnt: lm_head_norm.weight, lm_head_norm.bias, lm_head.weight, lm_head.bias"});
  const auto [first, last] = first_and_last("run", 4);
  EXPECT_LT(last, 0.7 * first);
  EXPECT_EQ(JsonFile(fs::path(shop.path("run/best/config.json"))).raw()["architectures"][0], "WhisperForCTC");
  EXPECT_TRUE(fs::exists(shop.path("run/best/vocab.json")));
  EXPECT_FALSE(fs::exists(shop.path("run/best/tokenizer.json")));

  const Json report = judged(fmt::format("report {} {}", made("corpus/dev.tsv"), shop.path("run/eval/dev.wer.txt")));
  std::string recordings, heard;
  for (const auto& [name, text] : report["hypotheses"].items()) {
    recordings += fmt::format(" {}/{}.wav", made("corpus"), name);
    heard += fmt::format("{}/{}.wav\t{}\n", made("corpus"), name, text.get<std::string>());
  }
  EXPECT_GT(std::count_if(heard.begin(), heard.end(), [](char c) { return c >= 'a' && c <= 'f'; }), 8);
  EXPECT_EQ(thaw(fmt::format("transcribe {}{} 2>/dev/null", shop.path("run"), recordings)).output, heard);
  const Ran all = thaw("eval " + shop.path("run") + " --json --data " + made("corpus/dev.tsv") + " 2>/dev/null");
  ASSERT_EQ(all.exit_code, 0) << all.output;
  for (const char* metric : {"loss", "wer", "cer"})
    EXPECT_NEAR(Json::parse(all.output)["metrics"][metric].get<double>(),
                result("run")["metrics"][fmt::format("dev/{}", metric)].get<double>(), 1e-6);
  expect_said(thaw(fmt::format("pronounce {} {} --text abcd", shop.path("run"), made("corpus/dev00.wav"))), 0, {"abcd", "heard"});
  shop.write("long.wav", audio::encode_audio(std::vector<float>(31 * 16000, 0.1F), 16000, audio::AudioFormat::wav));
  expect_said(thaw(fmt::format("pronounce {} {} --text abcd", shop.path("run"), shop.path("long.wav"))), 65,
              {"long.wav: too long", "31.00 s, at most 30"});

  recipe_for("again", "automatic-speech-recognition", shop.path("run/best"), made("corpus/train.tsv"), made("corpus/dev.tsv"), "steps: 1");
  const Ran again = run("again", "again");
  EXPECT_EQ(again.output.find("to be learnt"), std::string::npos);
  EXPECT_NE(again.output.find("CTC: 9 characters"), std::string::npos) << again.output;

  recipe("writes", "whisper", "steps: 1");
  run("writes", "writes");
  const std::string transcribe =
      fmt::format("transcribe {} {}/dev00.wav --temperatures 0 --word-times --format json ", shop.path("writes"), made("corpus"));
  const auto words = [&](const std::string& more) {
    Json found = Json::array();
    const Ran said = thaw(transcribe + more + " 2>/dev/null");
    EXPECT_EQ(said.exit_code, 0) << said.output;
    const Json transcript = Json::parse(said.output);
    for (const Json& segment : transcript["segments"])
      for (const Json& word : segment["words"]) found.push_back(word);
    return found;
  };
  const Json own = words(""), aligned = words("--aligner " + shop.path("run"));
  ASSERT_EQ(own.size(), aligned.size());
  ASSERT_GT(own.size(), 0U);
  EXPECT_NE(own, aligned);
  for (std::size_t i = 0; i < own.size(); ++i) {
    EXPECT_EQ(own[i]["word"], aligned[i]["word"]);
    EXPECT_LE(aligned[i]["start"], aligned[i]["end"]);
    EXPECT_LE(i > 0 ? aligned[i - 1]["end"].get<double>() : 0, aligned[i]["start"].get<double>());
  }
  expect_said(thaw(transcribe + "--aligner " + made("whisper")), 65, {"expected a CTC model", "found a whisper"});
  expect_said(thaw(fmt::format("transcribe {} {}/dev00.wav --language en", shop.path("run"), made("corpus"))), 64,
              {"--language: only a Whisper's decoder knows"});
}

// Short rows are heard many at once, and sought for words in some at a time.
TEST_F(TrainSpeech, RowsKeepTheirTextsInLargeBatches) {
  recipe("writes", "whisper", "epochs: 30\nspeech: {short_rows: true}");
  run("writes", "run", at_the_end + "optimizer.lr=0.003");
  fs::copy(made("corpus"), shop.path("both"));
  std::string all = "path\ttext\tspeaker\tid\n";
  for (const char* part : {"train", "dev"}) {
    std::istringstream rows(read_file(made(fmt::format("corpus/{}.tsv", part))));
    std::string row;
    std::getline(rows, row);
    while (std::getline(rows, row)) all += row + "\n";
  }
  shop.write("both/all.tsv", all);
  const auto heard = [&](const std::string& name, const std::string& data) {
    const Ran ran = thaw(fmt::format("eval {} --data {} --report {} evaluate.beams=2", shop.path("run"), data, shop.path(name)));
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
    return judged(fmt::format("report {} {}", data, shop.path(name + "/eval/eval.wer.txt")))["hypotheses"];
  };
  const Json together = heard("all", shop.path("both/all.tsv"));
  Json apart = heard("train", made("corpus/train.tsv"));
  apart.update(heard("dev", made("corpus/dev.tsv")));
  EXPECT_EQ(together.size(), 24U);
  EXPECT_EQ(together, apart);
  std::set<std::string> texts;
  for (const auto& [id, text] : together.items()) texts.insert(text.get<std::string>());
  EXPECT_GT(texts.size(), 2U);
}

TEST_F(TrainSpeech, SoundsAreToldApart) {
  for (const char* model : {"whisper", "wav2vec2"}) {
    const bool whisper = model == std::string("whisper");
    recipe_for(model, "audio-classification", made(model), made("classes/train"), made("classes/dev"),
               whisper ? "dropout: 0\nthaw: {phases: [{trainable: [head], until: {epochs: 40}}]}" : "dropout: 0\nepochs: 6");
    const std::string run_of = fmt::format("run-{}", model);
    // The head of a Whisper is 32 x 16 + 16 and 16 x 2 + 2 numbers.
    expect_said(run(model, run_of, at_the_end), 0,
                {"audio-classification: high, low", whisper ? " parameters, 562 learning)" : " parameters, all learning)"});
    const auto [first, last] = first_and_last(run_of, 4);
    EXPECT_LT(last, 0.9 * first) << model;
    const Json metrics = result(run_of)["metrics"];
    const Ran all = thaw("eval " + shop.path(run_of) + " --json --data " + made("classes/dev") + " 2>/dev/null");
    ASSERT_EQ(all.exit_code, 0) << all.output;
    EXPECT_EQ(Json::parse(all.output)["metrics"]["accuracy"], metrics["dev/accuracy"]) << model;
    const std::string exported = shop.path(fmt::format("exported-{}", model));
    ASSERT_EQ(thaw("export " + shop.path(run_of) + " " + exported).exit_code, 0);
    const Json theirs = judged(fmt::format("audio {} {}", exported, made("classes/dev")));
    EXPECT_EQ(theirs["labels"], Json({"high", "low"})) << model;
    EXPECT_EQ(theirs["accuracy"], metrics["dev/accuracy"]) << model;
    EXPECT_GE(metrics["dev/accuracy"], 0.75) << model;
    expect_said(thaw(fmt::format("transcribe {} {}", exported, made("corpus/dev00.wav"))), 64, {"gives labels, no text: use thaw predict"});
  }
}

TEST_F(TrainSpeech, AugmentationChangesWhatIsHeardAndNothingIsKeptOfIt) {
  recipe("whisper", "whisper",
         "reproducible: true\nspeech: {short_rows: true}\nthaw: {phases: [{trainable: [decoder], until: {epochs: 2}}]}\n"
         "evaluate: {every_steps: 1000, max_rows: 2}");
  run("whisper", "plain");
  const auto losses = [&](const std::string& of) {
    std::vector<double> all;
    for (const Json& step : shop.log(of)) all.push_back(step["loss"]);
    return all;
  };
  int changed = 0;
  for (const char* augment : {"augment.speeds=[0.9,1.1]", "augment.noise=1", "augment.gain_db=[-20,-10]",
                              "augment.time_masks=2 augment.time_width=20", "augment.frequency_masks=2"}) {
    const std::string name = std::to_string(changed++);
    const Ran ran = run("whisper", name, augment);
    EXPECT_NE(ran.output.find("cache      none: augmentation gives every row another sound each time"), std::string::npos) << ran.output;
    EXPECT_EQ(result(name)["phases"][0]["cache_hits"], 0);
    const auto with = losses(name), without = losses("plain");
    ASSERT_EQ(with.size(), without.size());
    for (std::size_t i = 0; i < with.size(); ++i) EXPECT_GT(std::abs(with[i] - without[i]), 1e-4) << augment << " step " << i;
  }
  // A phase that hears what was recorded keeps what sleeps, though a later one does not.
  const std::string later =
      "thaw.phases=\"[{trainable: [decoder], until: {epochs: 2}, augment: false}, {trainable: all, until: {epochs: 1}}]\" ";
  run("whisper", "later_plain", later);
  const Ran kept = run("whisper", "later", later + "augment.noise=1");
  EXPECT_EQ(kept.output.find("cache      none"), std::string::npos) << kept.output;
  run("whisper", "later_off", later + "augment.noise=1 cache.activations=off");
  expect_same_bits("later", "later_off");
  EXPECT_GT(result("later")["phases"][0]["cache_hits"], 0);
  EXPECT_EQ(result("later")["phases"][1]["cache_hits"], 0);
  const auto with = losses("later"), without = losses("later_plain");
  ASSERT_EQ(with.size(), without.size());
  for (std::size_t i = 0; i < with.size(); ++i) {
    if (i < with.size() / 3 * 2) EXPECT_EQ(with[i], without[i]) << "step " << i;
    else EXPECT_GT(std::abs(with[i] - without[i]), 1e-4) << "step " << i;
  }
  const std::string all = "augment.speeds=[0.9,1,1.1] augment.noise=0.5 augment.time_masks=2";
  run("whisper", "all1", all);
  run("whisper", "all2", all, 2);
  expect_same_bits("all1", "all2");

  recipe("ctc", "wav2vec2", "epochs: 1\nreproducible: true");
  run("ctc", "ctc1", "augment.speeds=[0.9,1.1] augment.noise=0.5 " + at_the_end);
  run("ctc", "ctc2", "augment.speeds=[0.9,1.1] augment.noise=0.5 " + at_the_end, 2);
  expect_same_bits("ctc1", "ctc2");
}

TEST_F(TrainSpeech, PlansAndStepsBySeconds) {
  recipe("whisper", "whisper", "epochs: 2\nspeech: {short_rows: true}");
  recipe("ctc", "wav2vec2", "epochs: 2");
  recipe_for("classes", "audio-classification", made("wav2vec2"), made("classes/train"), made("classes/dev"), "epochs: 2");
  for (const char* name : {"whisper", "ctc", "classes"}) {
    const std::string batch = "batch.seconds=6 batch.grain=3 ";
    const Ran plan = thaw(fmt::format("plan {} {} --measure 2 --json 2>/dev/null", shop.path(fmt::format("{}.yaml", name)), batch));
    ASSERT_EQ(plan.exit_code, 0) << plan.output;
    const Json planned = Json::parse(plan.output);
    run(name, name, batch + at_the_end);
    const std::vector<Json> steps = shop.log(name);
    EXPECT_EQ(planned["steps"], steps.size()) << planned.dump(1);
    std::int64_t rows = 0;
    for (const Json& step : steps) {
      EXPECT_LE(step["audio_s"], 6.0);
      EXPECT_GT(step["rows"], 0);
      rows += step["rows"].get<std::int64_t>();
    }
    EXPECT_EQ(rows, 32);
  }
}

// However slow: no rate reads 0.
TEST_F(TrainSpeech, PlansSayHowSlowAModelIs) {
  recipe("ctc", "wav2vec2", "epochs: 1");
  const Ran plan = thaw(fmt::format("plan {} --measure 1", shop.path("ctc.yaml")));
  ASSERT_EQ(plan.exit_code, 0) << plan.output;
  std::smatch found;  // behind the memory, before the time
  ASSERT_TRUE(std::regex_search(plan.output, found, std::regex(" [kMG]B +([0-9.]+) +(-|[0-9.]+) +[0-9]"))) << plan.output;
  EXPECT_TRUE(std::regex_match(found[1].str(), std::regex("[1-9][0-9]+|[1-9][.][0-9]|0[.][0-9][0-9]"))) << plan.output;
}

}  // namespace
}  // namespace thaw::test
