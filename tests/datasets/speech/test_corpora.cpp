// The formats that have files of their own: what each line comes to, and what is left out and listed.
#include "tests/datasets/speech/speech_testing.h"

namespace thaw {
namespace {

class Corpora : public testing::Test {
 protected:
  void audio(const std::string& name, double seconds = 0.5, int format = SF_FORMAT_WAV | SF_FORMAT_PCM_16) const {
    write_audio(folder / name, tone(seconds), format);
  }
  fs::path text(const std::string& name, const std::string& content) const {
    fs::create_directories((folder / name).parent_path());
    return folder.file(name, content);
  }
  const Folder folder;
};

TEST_F(Corpora, LibriSpeech) {
  for (const char* name : {"clean/84/121/84-121-0000", "clean/84/121/84-121-0001", "clean/84/121/84-121-0009", "clean/7/3/7-3-0000"})
    audio(name + std::string(".flac"), 0.5, flac);
  text("clean/84/121/84-121.trans.txt", "84-121-0000 GO DO YOU HEAR\r\n84-121-0001 BUT IN\n84-121-0002 NOT THERE\n84-121-0003\n");
  text("clean/7/3/7-3.trans.txt", "7-3-0000 A\n");
  const Corpus corpus = read_corpus(folder / "clean");
  EXPECT_EQ(corpus.format, CorpusFormat::librispeech);
  ASSERT_EQ(corpus.utterances.size(), 3u);
  EXPECT_EQ(corpus.utterances[0].id, "7-3-0000");
  const Utterance& second = corpus.utterances[2];
  EXPECT_EQ(second.text, "BUT IN");
  EXPECT_EQ(second.speaker, "84");
  EXPECT_EQ(second.audio, (folder / "clean/84/121/84-121-0001.flac").string());
  EXPECT_EQ(corpus.where(second), (folder / "clean/84/121/84-121.trans.txt").string() + ":2");
  EXPECT_EQ(reasons(corpus.left_out), (Texts{"text_without_audio 84-121-0002", "audio_without_text 84-121-0003", "audio_without_text "}));
  EXPECT_EQ(corpus.left_out[2].where, (folder / "clean/84/121/84-121-0009.flac").string());
  EXPECT_EQ(read_corpus(folder / "clean/84/121/84-121.trans.txt").utterances.size(), 2u);
}

TEST_F(Corpora, LjSpeech) {
  audio("lj/wavs/LJ1.wav"), audio("lj/wavs/LJ2.wav"), audio("lj/wavs/LJ9.wav");
  text("lj/metadata.csv", "LJ1|Dr. \"No\"|Doctor \"No\"\nLJ2|one cell\nLJ3|gone|gone\nonly\nLJ1|again|again\n");
  const Corpus corpus = read_corpus(folder / "lj");
  EXPECT_EQ(corpus.format, CorpusFormat::lj_speech);
  ASSERT_EQ(corpus.utterances.size(), 2u);
  EXPECT_EQ(corpus.utterances[0].text, "Doctor \"No\"");
  EXPECT_EQ(corpus.utterances[1].text, "one cell");
  EXPECT_EQ(reasons(corpus.left_out), (Texts{"text_without_audio LJ3", "bad_row ", "duplicate_id LJ1", "audio_without_text "}));
  CorpusOptions raw;
  raw.columns = {{"text", "raw"}};
  EXPECT_EQ(read_corpus(folder / "lj", raw).utterances[0].text, "Dr. \"No\"");
}

TEST_F(Corpora, CommonVoice) {
  for (const char* name : {"a", "b", "c", "d"}) audio(fmt::format("cv/clips/{}.mp3", name), 0.5, mp3);
  const std::string header = "client_id\tpath\tsentence_id\tsentence\tup_votes\tlocale\n";
  text("cv/train.tsv", header + "s1\ta.mp3\tx\tEr sagte \"ja.\t2\tde\ns2\tb\tx\tB\t2\tde\ns3\tgone.mp3\tx\tC\t2\tde\n");
  text("cv/test.tsv", header + "s4\tc.mp3\tx\tC\t2\tde\n");
  text("cv/clip_durations.tsv", "clip\tduration[ms]\na.mp3\t520\n");
  const Corpus corpus = read_corpus(folder / "cv");
  EXPECT_EQ(corpus.format, CorpusFormat::common_voice);
  ASSERT_EQ(corpus.utterances.size(), 3u);
  const Utterance& first = corpus.utterances[0];
  EXPECT_EQ(first.id, "a");
  EXPECT_EQ(first.text, "Er sagte \"ja.") << "a quote is a character";
  EXPECT_EQ(first.speaker, "s1");
  EXPECT_EQ(first.language, "de");
  EXPECT_EQ(first.split, "train");
  EXPECT_EQ(first.duration_s, 0.52);
  EXPECT_EQ(corpus.utterances[2].split, "test");
  EXPECT_EQ(reasons(corpus.left_out), (Texts{"text_without_audio gone", "audio_without_text "}));
  // One table alone: clips of the others are not without text.
  const Corpus test = read_corpus(folder / "cv/test.tsv");
  EXPECT_EQ(test.format, CorpusFormat::common_voice);
  EXPECT_EQ(test.utterances[0].split, "");
  EXPECT_EQ(reasons(test.left_out), (Texts{"audio_without_text "}));
}

// Some releases quote sentences as CSV does; in the others quotes are characters, whatever they look like.
TEST_F(Corpora, CommonVoiceQuotesAsCsvDoes) {
  const std::vector<std::pair<std::string, std::string>> cells{{R"("""Good-bye,"" said the boy.")", R"("Good-bye," said the boy.)"},
                                                               {R"("He said ""yes"".")", R"(He said "yes".)"},
                                                               {R"("Good-bye.")", R"("Good-bye.")"},
                                                               {R"("Yes," he said, "no.")", R"("Yes," he said, "no.")"},
                                                               {R"("One ""two" three")", R"("One ""two" three")"},
                                                               {R"("open)", R"("open)"},
                                                               {R"(a ""b"" c)", R"(a ""b"" c)"},
                                                               {R"(")", R"(")"},
                                                               {R"("")", R"("")"}};
  std::string rows = "client_id\tpath\tsentence\n";
  for (std::size_t i = 0; i < cells.size(); ++i) {
    audio(fmt::format("cv/clips/{}.mp3", i), 0.5, mp3);
    rows += fmt::format("s\t{}.mp3\t{}\n", i, cells[i].first);
  }
  text("cv/train.tsv", rows);
  const Corpus corpus = read_corpus(folder / "cv");
  ASSERT_EQ(corpus.utterances.size(), cells.size());
  for (std::size_t i = 0; i < cells.size(); ++i) EXPECT_EQ(corpus.utterances[i].text, cells[i].second);
}

TEST_F(Corpora, Kaldi) {
  audio("data/r1.wav", 3), audio("data/r2.wav");
  text("data/wav.scp", "r1 r1.wav\nr2 " + (folder / "data/r2.wav").string() + "\n");
  text("data/segments", "u1 r1 0.5 1.5\nu2 r1 1.5 -1\nu3 r9 0 1\nu4 r1 2 1\nu5 r2 0 0.4\nu6 r2 0 x\n");
  text("data/text", "u1 one\nu2 two\nu3 three\nu4 four\nu7 never cut\n");
  text("data/utt2spk", "u1 anna\nu2 bert\n"), text("data/utt2lang", "u1 en\n");
  const Corpus corpus = read_corpus(folder / "data");
  EXPECT_EQ(corpus.format, CorpusFormat::kaldi);
  ASSERT_EQ(corpus.utterances.size(), 2u);
  const Utterance& first = corpus.utterances[0];
  EXPECT_EQ(first.begin_s, 0.5);
  EXPECT_EQ(first.end_s, 1.5);
  EXPECT_EQ(first.duration_s, 1);
  EXPECT_EQ(first.speaker + first.language + first.text, "annaenone");
  EXPECT_EQ(first.audio, (folder / "data/r1.wav").string());
  EXPECT_FALSE(corpus.utterances[1].end_s);
  EXPECT_EQ(reasons(corpus.left_out),
            (Texts{"text_without_audio u3", "bad_row ", "audio_without_text u5", "bad_row ", "text_without_audio u7"}));
  EXPECT_EQ(corpus.left_out[4].where, (folder / "data/text").string() + ":5");
}

TEST_F(Corpora, KaldiRecordingsThatNoSegmentCutsAreListed) {
  std::string scp;
  for (int i = 9; i > 0; --i) audio(fmt::format("data/r{}.wav", i)), scp += fmt::format("r{0} r{0}.wav\n", i);
  text("data/wav.scp", scp), text("data/text", "u5 five\nu6 six\n"), text("data/segments", "u5 r5 0 0.2\nu6 r6 0 x\n");
  const Corpus corpus = read_corpus(folder / "data");
  EXPECT_EQ(corpus.utterances.size(), 1u);
  EXPECT_EQ(reasons(corpus.left_out),
            (Texts{"bad_row ", "audio_without_text r9", "audio_without_text r8", "audio_without_text r7", "audio_without_text r4",
                   "audio_without_text r3", "audio_without_text r2", "audio_without_text r1"}));
  EXPECT_EQ(corpus.left_out[1].where, (folder / "data/wav.scp").string() + ":1");
  EXPECT_EQ(corpus.left_out[4].where, (folder / "data/wav.scp").string() + ":6");
  EXPECT_EQ(corpus.left_out[4].detail, "no segment is cut out of it");
}

// wav.scp may hold commands: nothing of the kind is run unless the user says so.
TEST_F(Corpora, KaldiPipesAreRefused) {
  audio("data/r1.wav");
  const std::string seen = (folder / "seen").string();
  text("data/wav.scp", fmt::format("r1 touch {} && cat {} |\n", seen, (folder / "data/r1.wav").string()));
  text("data/text", "r1 one\n");
  EXPECT_SAYS(error_of([&] { read_corpus(folder / "data"); }), "wav.scp:1: 'touch ");
  EXPECT_SAYS(error_of([&] { read_corpus(folder / "data"); }),
              "is a command, which would be run here with your rights: read it, then shard it with thaw shard --allow-pipes");
  EXPECT_FALSE(fs::exists(seen));
  std::string many = fmt::format("file {}\n", (folder / "data/r1.wav").string());
  for (int i = 0; i < 50; ++i) many += fmt::format("c{} touch {} |\n", i, seen);
  text("many/wav.scp", many);
  EXPECT_SAYS(error_of([&] { read_corpus(folder / "many"); }), "wav.scp:2: 'touch ");
  CorpusOptions allowed;
  allowed.allow_pipes = true;
  const Corpus corpus = read_corpus(folder / "data", allowed);
  ASSERT_EQ(corpus.utterances.size(), 1u);
  EXPECT_FALSE(fs::exists(seen)) << "reading the corpus runs nothing";
  Listener listener(SpeechLimits{});
  const Listener::Heard heard = listener.hear(corpus.utterances[0]);
  EXPECT_FALSE(heard.fault) << heard.detail;
  EXPECT_EQ(heard.audio.samples.size(), 8000u);
  EXPECT_TRUE(fs::exists(seen));
  for (const auto& [end, said] : {std::pair("false", "the command ended with exit status 1"),
                                  {"exec /there/is/no/such/command 2>/dev/null", "the command ended with exit status 127"},
                                  {"kill -9 $$", "the command was ended by signal 9 (Killed)"}}) {
    Utterance fails = corpus.utterances[0];
    fails.audio = "cat " + (folder / "data/r1.wav").string() + "; " + end;
    const Listener::Heard failed = listener.hear(fails);
    EXPECT_EQ(failed.fault, Fault::unreadable);
    EXPECT_EQ(failed.detail, said);
  }
  Utterance nothing = corpus.utterances[0];
  nothing.audio = "true";
  EXPECT_EQ(listener.hear(nothing).fault, Fault::empty);
  EXPECT_EQ(corpus.about(nothing, listener.hear(nothing).detail), "'true |': the command wrote nothing");
}

TEST_F(Corpora, Festvox) {
  audio("ru/wav/ru_1.wav"), audio("ru/wav/ru_2.wav");
  text("ru/etc/txt.done.data", "; prompts\n( ru_1 \"вол+ос \\\"да\\\"\" )\n(ru_2\n \"два\nслова\")( ru_3 \"three\" )\n");
  const Corpus corpus = read_corpus(folder / "ru");
  EXPECT_EQ(corpus.format, CorpusFormat::festvox);
  ASSERT_EQ(corpus.utterances.size(), 2u);
  EXPECT_EQ(corpus.utterances[0].text, "вол+ос \"да\"");
  EXPECT_EQ(corpus.utterances[1].text, "два слова");
  EXPECT_EQ(corpus.utterances[1].line, 3u);
  EXPECT_EQ(reasons(corpus.left_out), (Texts{"text_without_audio ru_3"}));
  EXPECT_EQ(corpus.repaired, 0u);
  text("ru/etc/txt.done.data", "( ru_1 \"caf\xE9\" )\n( ru_2 \"two\n\xE9t\xE9\" )\n");
  EXPECT_EQ(read_corpus(folder / "ru").repaired, 2u);
  text("ru/etc/txt.done.data", "( ru_1 \"one\" )\n( ru_2 \"two )\n");
  EXPECT_SAYS(error_of([&] { read_corpus(folder / "ru"); }), "txt.done.data:2: the text that begins here never ends");
  text("ru/etc/txt.done.data", "( ru_1 \"one\" \"two\" )\n");
  EXPECT_SAYS(error_of([&] { read_corpus(folder / "ru"); }), "txt.done.data:1: expected ')', found '\"'");
}

TEST_F(Corpora, FoldersOfClasses) {
  for (const char* name : {"yes/ab12_nohash_0.wav", "yes/ab12_nohash_1.wav", "no/cd34_nohash_0.wav", "no/ab12_nohash_0.wav"})
    audio(std::string("words/") + name);
  audio("words/_background_noise_/rain.wav"), audio("words/.ipynb_checkpoints/rain.wav"), audio("words/stray.wav");
  text("words/testing_list.txt", "no/cd34_nohash_0.wav\n");
  CorpusOptions options;
  options.need_text = false;
  const Corpus corpus = read_corpus(folder / "words", options);
  EXPECT_EQ(corpus.format, CorpusFormat::folders);
  ASSERT_EQ(corpus.utterances.size(), 4u);
  EXPECT_EQ(corpus.utterances[0].label, "no");
  EXPECT_EQ(corpus.utterances[0].speaker, "ab12");
  EXPECT_EQ(corpus.utterances[0].id, "no/ab12_nohash_0");
  EXPECT_EQ(corpus.utterances[1].split, "test");
  EXPECT_EQ(corpus.utterances[3].split, "train");
  EXPECT_EQ(reasons(corpus.left_out), (Texts{"bad_row stray"}));
  ASSERT_EQ(corpus.notes.size(), 1u);
  EXPECT_SAYS(corpus.notes[0], "left aside: .ipynb_checkpoints, _background_noise_ (");
}

// Recordings that are not decoded are rows to be listed; where one lies beside another that is, that one is heard.
TEST_F(Corpora, RecordingsOfOtherFormatsAreSeen) {
  const std::vector<std::string> endings{"m4a", "mp4", "aac", "wma", "webm", "amr", "3gp", "caf", "aiff", "sph", "M4A"};
  for (const std::string& ending : endings) text("words/yes/" + ending + "." + ending, "no samples");
  audio("words/no/a.wav"), text("words/no/a.mp4", "a film"), text("words/no/notes.txt", "words");
  CorpusOptions options;
  options.need_text = false;
  const Corpus corpus = read_corpus(folder / "words", options);
  ASSERT_EQ(corpus.utterances.size(), endings.size() + 1);
  EXPECT_EQ(corpus.utterances[0].audio, (folder / "words/no/a.wav").string());
  EXPECT_EQ(reasons(corpus.left_out), (Texts{"duplicate_id no/a"}));
  Listener listener(SpeechLimits{});
  for (std::size_t i = 1; i < corpus.utterances.size(); ++i)
    EXPECT_EQ(listener.hear(corpus.utterances[i]).fault, Fault::unreadable) << corpus.utterances[i].audio;
  // The same beside a list of ids.
  audio("lj/wavs/LJ1.wav"), text("lj/wavs/LJ1.m4a", "x"), text("lj/wavs/LJ2.m4a", "x");
  text("lj/metadata.csv", "LJ1|one|one\n");
  const Corpus lj = read_corpus(folder / "lj");
  EXPECT_EQ(lj.utterances.at(0).audio, (folder / "lj/wavs/LJ1.wav").string());
  ASSERT_EQ(reasons(lj.left_out), (Texts{"audio_without_text "}));
  EXPECT_EQ(lj.left_out[0].where, (folder / "lj/wavs/LJ2.m4a").string());
}

TEST_F(Corpora, NamesByAPattern) {
  audio("digits/7_george_12.wav"), audio("digits/3_lucas.wav"), audio("digits/4__1.wav");
  CorpusOptions options;
  options.need_text = false;
  options.pattern = "{label}_{speaker}_{take}";
  const Corpus corpus = read_corpus(folder / "digits", options);
  ASSERT_EQ(corpus.utterances.size(), 1u);
  EXPECT_EQ(corpus.utterances[0].label, "7");
  EXPECT_EQ(corpus.utterances[0].speaker, "george");
  EXPECT_EQ(reasons(corpus.left_out), (Texts{"bad_row 3_lucas", "bad_row 4__1"}));
  audio("tree/de/anna/x-5.wav");
  options.pattern = "{language}/{speaker}/{any}-{label}";
  const Corpus tree = read_corpus(folder / "tree", options);
  EXPECT_EQ(tree.utterances[0].language + tree.utterances[0].speaker + tree.utterances[0].label, "deanna5");
  for (const char* wrong : {"{label", "{a}{b}", "none", "{}", "a}b"}) {
    options.pattern = wrong;
    EXPECT_SAYS(error_of([&] { read_corpus(folder / "digits", options); }), "pattern '");
  }
}

TEST_F(Corpora, WhatIsNoCorpus) {
  EXPECT_SAYS(error_of([&] { read_corpus(folder / "gone"); }), "there is no such file or directory");
  fs::create_directories(folder / "empty");
  EXPECT_SAYS(error_of([&] { read_corpus(folder / "empty"); }), "expected a corpus of speech, found none of wav.scp");
  EXPECT_SAYS(error_of([&] { read_corpus(text("a.mp4", "x")); }), "cannot tell its format");
  EXPECT_SAYS(error_of([&] { read_corpus(text("x/a.trans.txt", "1-1 A\n")); }),
              "expected utterances, found none; left out, text_without_audio: 1; the first of them: ");
  CorpusOptions table;
  table.format = CorpusFormat::table;
  EXPECT_SAYS(error_of([&] { read_corpus(folder / "empty", table); }), "expected a file, found a directory");
}

// Durations that are known need no decoding; the filter's own reasons say so.
TEST_F(Corpora, TheFilterByKnownDurations) {
  audio("d/a.wav", 3);
  text("d/wav.scp", "a a.wav\n"), text("d/segments", "s a 0 0.2\nm a 0 1\nl a 0 2.5\n"), text("d/text", "s x\nm x\nl x\n");
  CorpusOptions options;
  options.min_s = 0.5, options.max_s = 2;
  const Corpus corpus = read_corpus(folder / "d", options);
  ASSERT_EQ(corpus.utterances.size(), 1u);
  EXPECT_EQ(corpus.utterances[0].id, "m");
  EXPECT_EQ(reasons(corpus.left_out), (Texts{"too_short s", "too_long l"}));
  EXPECT_EQ(corpus.left_out[0].detail, "a.wav: 0.2 s");
  options.min_s = 3, options.max_s = 0;
  EXPECT_SAYS(error_of([&] { read_corpus(folder / "d", options); }), "found none; left out, too_short: 3; the first of them: ");
  EXPECT_TRUE(is_filter("too_short") && is_filter("too_long") && !is_filter("silent"));
}

TEST_F(Corpora, TheFingerprintFollowsWhatIsSaidNotWhereItLies) {
  audio("one/wavs/a.wav");
  text("one/metadata.csv", "a|x|x\n");
  fs::copy(folder / "one", folder / "two", fs::copy_options::recursive);
  const std::string first = read_corpus(folder / "one").fingerprint();
  EXPECT_EQ(read_corpus(folder / "two").fingerprint(), first);
  EXPECT_EQ(read_corpus(folder / "two/").fingerprint(), first);
  text("two/metadata.csv", "a|x|y\n");
  EXPECT_NE(read_corpus(folder / "two").fingerprint(), first);
}

}  // namespace
}  // namespace thaw
