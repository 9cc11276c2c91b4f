// Audio as corpora have it: what is heard, what is wrong with it, and the report of it.
#include "datasets/speech/report.h"
#include "tests/datasets/speech/speech_testing.h"

namespace thaw {
namespace {

class Hearing : public testing::Test {
 protected:
  Listener::Heard hear(const fs::path& path, const SpeechLimits& limits = {}) {
    Utterance utterance;
    utterance.audio = path.string();
    listener_ = std::make_unique<Listener>(limits);
    return listener_->hear(utterance);
  }
  fs::path written(const std::string& name, const std::vector<float>& samples, int format = SF_FORMAT_WAV | SF_FORMAT_PCM_16,
                   int rate = 16000, int channels = 1) const {
    write_audio(folder / name, samples, format, rate, channels);
    return folder / name;
  }
  const Folder folder;

 private:
  std::unique_ptr<Listener> listener_;
};

TEST_F(Hearing, GoodAudioOfEachFormat) {
  for (const auto& [name, format] : {std::pair("a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16), {"a.flac", flac}, {"a.mp3", mp3}}) {
    const auto heard = hear(written(name, tone(1), format));
    EXPECT_FALSE(heard.fault) << heard.detail;
    EXPECT_NEAR(heard.audio.seconds(), 1, 0.1);
    EXPECT_NEAR(heard.audio.peak, 0.5, 0.02);
  }
  const auto slow = hear(written("8k.wav", tone(1, 440, 0.5, 8000), SF_FORMAT_WAV | SF_FORMAT_PCM_16, 8000));
  EXPECT_EQ(slow.audio.samples.size(), 16000u);
}

TEST_F(Hearing, EachFault) {
  std::vector<float> quiet(16000), loud = tone(1, 440, 1.3);
  const std::map<Fault, fs::path> cases{{Fault::silent, written("silent.wav", quiet)},
                                        {Fault::clipped, written("loud.wav", loud)},
                                        {Fault::empty, written("none.wav", {})},
                                        {Fault::unreadable, folder.file("text.wav", "no audio at all, but some text")}};
  for (const auto& [fault, path] : cases) EXPECT_EQ(hear(path).fault, fault) << name_of(fault);
  EXPECT_EQ(hear(folder.file("zero.wav", "")).fault, Fault::empty);
  EXPECT_EQ(hear(folder / "gone.wav").fault, Fault::unreadable);
  EXPECT_FALSE(hear(written("faint.wav", tone(1, 440, 0.002))).fault);
  SpeechLimits limits;
  limits.min_s = 0.5, limits.max_s = 2;
  EXPECT_EQ(hear(written("short.wav", tone(0.4)), limits).fault, Fault::too_short);
  EXPECT_EQ(hear(written("long.wav", tone(2.1)), limits).fault, Fault::too_long);
  EXPECT_FALSE(hear(written("fits.wav", tone(1)), limits).fault);
}

TEST_F(Hearing, AHeaderThatLies) {
  for (const auto& [name, format] : {std::pair("cut.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16), {"cut.flac", flac}}) {
    const fs::path path = written(name, tone(4), format);
    fs::resize_file(path, fs::file_size(path) / 2);
    const auto heard = hear(path);
    EXPECT_EQ(heard.fault, Fault::header_lies) << name << ": " << heard.detail;
    EXPECT_SAYS(heard.detail, name);
  }
  // A quarter of a file is promised.
  const fs::path path = written("less.wav", tone(4));
  std::string bytes = read_file(path);
  ASSERT_EQ(bytes.substr(36, 4), "data");
  bytes.replace(40, 4, std::string("\x00\x7D\x00\x00", 4));
  const auto heard = hear(folder.file("less.wav", bytes));
  EXPECT_EQ(heard.fault, Fault::header_lies) << heard.detail;
  EXPECT_SAYS(heard.detail, "32000 bytes of samples, found 128000");
}

// A WAV's channels stand at 22, its rate at 24, the bytes of a second at 28.
TEST_F(Hearing, AHeaderThatContradictsItself) {
  const std::string bytes = read_file(written("good.wav", tone(1)));
  std::string rate = bytes, channels = bytes;
  rate.replace(24, 4, std::string("\x44\xAC\x00\x00", 4));
  channels.replace(22, 2, std::string("\x02\x00", 2));
  for (const auto& [content, said] :
       {std::pair(rate, "44100 Hz, but 32000 bytes a second"), {channels, "2 channels of 16 bits, but 2 bytes"}}) {
    const auto heard = hear(folder.file("bad.wav", content));
    EXPECT_EQ(heard.fault, Fault::header_lies) << heard.detail;
    EXPECT_SAYS(heard.detail, said);
  }
}

TEST_F(Hearing, SegmentsAndDurations) {
  std::vector<float> samples = tone(1, 300, 0.3);
  const std::vector<float> second = tone(1, 300, 0.6);
  samples.insert(samples.end(), second.begin(), second.end());
  Utterance utterance;
  utterance.audio = written("two.wav", samples).string();
  utterance.begin_s = 1, utterance.end_s = 1.5, utterance.duration_s = 0.5;
  Listener listener(SpeechLimits{});
  const auto heard = listener.hear(utterance);
  EXPECT_FALSE(heard.fault) << heard.detail;
  ASSERT_EQ(heard.audio.samples.size(), 8000u);
  EXPECT_NEAR(heard.audio.samples[100], second[100], 1e-4);
  utterance.end_s = 2.5, utterance.duration_s = 1.5;
  EXPECT_EQ(listener.hear(utterance).fault, Fault::wrong_duration) << "the recording ends before";
  utterance.begin_s = 3, utterance.end_s = {}, utterance.duration_s = {};
  EXPECT_EQ(listener.hear(utterance).fault, Fault::wrong_duration);
  utterance.begin_s = 0, utterance.duration_s = 1;
  EXPECT_EQ(listener.hear(utterance).fault, Fault::wrong_duration);
  utterance.duration_s = 2.1;
  EXPECT_FALSE(listener.hear(utterance).fault);
}

TEST(Report, CountsAndLimits) {
  SpeechReport report;
  report.corpora = {{"a.tsv",
                     "table",
                     90,
                     3600,
                     {{"silent", "a.tsv:1", "x", "d", 0}, {"silent", "a.tsv:2", "y", "d", 0}, {"too_long", "a.tsv:3", "z", "", 0}}},
                    {"b", "kaldi", 8, 1800, {}}};
  report.took_s = 2;
  EXPECT_EQ(report.rows(), 98u);
  EXPECT_EQ(report.hours(), 1.5);
  EXPECT_EQ(report.bad(), 2u);
  EXPECT_EQ(report.rows_per_second(), 49);
  EXPECT_NO_THROW(report.check(BadLimit::parse("2%")));
  EXPECT_NO_THROW(report.check(BadLimit::parse("2")));
  EXPECT_SAYS(error_of([&] { report.check(BadLimit::parse("1.9%")); }), "2 of 100 utterances are bad input, expected at most 1 (1.9%)");
  EXPECT_SAYS(error_of([&] { report.check(BadLimit::parse("1")); }), "a.tsv: silent: 2 (a.tsv:1 x: d; a.tsv:2 y: d)");
  EXPECT_SAYS(report.to_text(1), "a.tsv (table): 90 rows, 1.00 h\n  left out, silent: 2 (a.tsv:1 x: d; and 1 more)\n");
  EXPECT_SAYS(report.to_text(1), "\nindex.json of the shards lists all that were left out\n");
  EXPECT_EQ(report.to_text(2).find("index.json"), std::string::npos) << "all are there";
  EXPECT_EQ(report.reasons(1), "\n  a.tsv: silent: 2 (a.tsv:1 x: d; and 1 more)\n  a.tsv: too_long: 1 (a.tsv:3 z)");
  EXPECT_SAYS(error_of([&] { report.check(BadLimit::parse("1"), 200, "a.tsv:2"); }),
              "2 of 200 utterances are bad input, expected at most 1 (1): correct them, or raise the limit (--bad-limit; "
              "data.audio.bad_limit); it stopped at a.tsv:2, where this was known:\n  a.tsv: silent: 2 (");
  EXPECT_EQ(report.to_json()["corpora"][0]["counts"]["silent"], 2);
  EXPECT_EQ(report.to_json()["corpora"][0]["left_out"].size(), 3u);
  for (const char* wrong : {"", "%", "-1", "101%", "0.5", "x", "nan"}) EXPECT_THROW(BadLimit::parse(wrong), DataError) << wrong;
}

}  // namespace
}  // namespace thaw
