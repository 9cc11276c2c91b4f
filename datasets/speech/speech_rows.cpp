#include "datasets/speech/speech_rows.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "datasets/shards/half.h"
#include "datasets/shards/text_rows.h"
#include "datasets/speech/readers.h"
#include "framework/base/error.h"
#include "framework/base/hash.h"

namespace thaw {
namespace {

std::optional<double> number_of(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value) || std::abs(value) > 3.4e38)
    return {};
  return value;
}

std::vector<std::int16_t> samples_of(const std::vector<float>& samples) {
  std::vector<std::int16_t> rounded(samples.size());
  std::transform(samples.begin(), samples.end(), rounded.begin(), audio::i16_of);
  return rounded;
}

bool has_columns(CorpusFormat format) {
  return format == CorpusFormat::table || format == CorpusFormat::common_voice || format == CorpusFormat::jsonl;
}

// "the vocabulary cannot spell 'ё', 'x' of 'ёx'"
std::string unspellable(const std::vector<std::string>& missing, std::string_view text) {
  std::vector<std::string> quoted;
  for (const std::string& one : missing) quoted.push_back(fmt::format("'{}'", beginning(one, 40)));
  return fmt::format("the vocabulary cannot spell {} of '{}'", listed(quoted), beginning(text, 200));
}

std::string speaker_of(const Utterance& utterance) { return utterance.group.empty() ? utterance.speaker : utterance.group; }

}  // namespace

SpeechRows::SpeechRows(const std::vector<fs::path>& paths, const SpeechOptions& speech, const ShardOptions& shard, bool with_ids)
    : speech_(speech), shard_(shard), with_ids_(with_ids), listener_(speech.limits) {
  if (paths.empty()) throw DataError("no corpus was named");
  if (speech.audio == AudioCodec::none) throw DataError("speech: expected audio as i16, flac or features");
  if (speech.audio == AudioCodec::features && (!speech.features.of || speech.features.width == 0))
    throw DataError("speech: audio as features needs a function that computes them");
  if (speech.limits.max_s > 0 && speech.limits.min_s > speech.limits.max_s)
    throw DataError(
        "no audio lasts at least {} s and at most {} s: correct one of the two (--min-seconds, --max-seconds; data.audio.min_seconds, "
        "max_seconds)",
        speech.limits.min_s, speech.limits.max_s);
  CorpusOptions options = speech.corpus;
  options.need_text = with_ids;
  options.need_label = shard.read.label_kind != LabelKind::none;
  options.with_split = !shard.read.split.empty();
  options.min_s = speech.limits.min_s, options.max_s = speech.limits.max_s;
  for (const fs::path& path : paths) {
    Corpus& corpus = corpora_.emplace_back(read_corpus(path, options));
    check_labels(corpus);
    for (LeftOut& left : corpus.left_out) {
      left.source = corpora_.size() - 1;
      listed_bad_ += is_filter(left.reason) ? 0 : 1;
    }
    utterances_ += corpus.utterances.size();
    for (const Utterance& one : corpus.utterances) {
      weights_ |= one.weight != 1;
      groups_ |= !speaker_of(one).empty();
      languages_ |= !one.language.empty();
    }
  }
}

// Rows whose labels are not of the kind that is asked for are left out before anything is heard.
void SpeechRows::check_labels(Corpus& corpus) {
  Row row;
  std::vector<Utterance> kept;
  // Rows of several labels may all have none, but not where there is no place for any.
  bool labelled = shard_.read.label_kind != LabelKind::several || has_columns(corpus.format);
  for (Utterance& one : corpus.utterances) {
    const std::string wrong = take_labels(one, row);
    labelled = labelled || !row.labels.empty();
    if (wrong.empty()) kept.push_back(std::move(one));
    else corpus.left_out.push_back({name_of(Fault::bad_row), corpus.where(one), one.id, corpus.about(one, wrong), 0});
  }
  if (kept.empty() || !labelled)
    throw DataError(
        "{}: read as {}: no utterance has a label of the kind '{}' ({}): name the column or key that holds it (--column label=NAME; in a "
        "recipe data.audio.columns), or a pattern of the files' names (--pattern; data.audio.pattern)",
        corpus.path, name_of(corpus.format), name_of(shard_.read.label_kind),
        kept.empty() ? corpus.left_out.back().detail : "the labels are missing");
  corpus.utterances = std::move(kept);
}

std::string SpeechRows::take_labels(const Utterance& utterance, Row& row) const {
  row.labels.clear();
  row.target = 0;
  const ReadOptions& read = shard_.read;
  if (read.label_kind == LabelKind::none) return "";
  if (read.label_kind == LabelKind::number) {
    const std::optional<double> number = number_of(utterance.label);
    row.target = number.value_or(0);
    return number ? "" : fmt::format("expected a number as label, found '{}'", beginning(utterance.label, 40));
  }
  std::vector<std::string> labels{utterance.label};
  if (read.label_kind == LabelKind::several && read.separator.size() == 1) labels = split(utterance.label, read.separator[0]);
  for (const std::string& text : labels) {
    const std::string label(trim(text));
    if (label.empty() || std::find(row.labels.begin(), row.labels.end(), label) != row.labels.end()) continue;
    if (!read.label_names.empty() && std::find(read.label_names.begin(), read.label_names.end(), label) == read.label_names.end())
      return fmt::format("unknown label '{}': expected one of {}", beginning(label, 60), listed(read.label_names));
    row.labels.push_back(label);
  }
  return read.label_kind == LabelKind::one && row.labels.empty() ? "the label is missing" : "";
}

ShardIndex SpeechRows::describe() const {
  ShardIndex index;
  index.name = shard_name(corpora_[0].path);
  index.shape.labels = shard_.read.label_kind;
  index.shape.ids = with_ids_;
  index.shape.weights = weights_, index.shape.groups = groups_, index.shape.languages = languages_;
  index.shape.audio = speech_.audio;
  if (speech_.audio == AudioCodec::features) index.feature_width = speech_.features.width;
  for (const Corpus& corpus : corpora_) {
    SourceEntry& entry = index.sources.emplace_back();
    entry.path = corpus.path, entry.xxh3 = corpus.fingerprint(), entry.format = name_of(corpus.format);
    index.left_out.insert(index.left_out.end(), corpus.left_out.begin(), corpus.left_out.end());
  }
  return index;
}

Scan SpeechRows::scan() {
  Scanner scanner(shard_, corpora_.size());
  Row row;
  for (rewind(); next(row);) scanner.add(row, corpora_[row.source].path);
  for (std::size_t i = 0; i < corpora_.size(); ++i) {
    const Corpus& corpus = corpora_[i];
    scanner.scan.counts.push_back({corpus.utterances.size(), 0, corpus.repaired});
    for (const std::string& note : corpus.notes) scanner.scan.notes.push_back(note);
  }
  return scanner.finish();
}

std::string SpeechRows::identity() const {
  const SpeechLimits& limits = speech_.limits;
  std::string text =
      fmt::format("speech {} {} {} {} {} {} {} {}", name_of(speech_.audio), speech_.features.name, limits.min_s, limits.max_s,
                  limits.silence_dbfs, limits.clipped_share, limits.duration_tolerance_s, limits.duration_tolerance);
  for (const std::string& rule : speech_.rules.names()) text += "\n" + rule;
  text += fmt::format("\n{}", static_cast<bool>(speech_.unspellable));
  for (const Corpus& corpus : corpora_) {
    text += "\n" + corpus.fingerprint();
    for (const LeftOut& left : corpus.left_out) text += fmt::format(" {} {}", left.reason, left.id);
  }
  return hash_hex(text);
}

// XXH3 of what is said of each file; segments of one come one after another.
template <typename Of>
std::string SpeechRows::hash_of_files(const Of& of) const {
  Hasher hasher;
  std::string last;
  for (const Corpus& corpus : corpora_)
    for (const Utterance& one : corpus.utterances) {
      if (one.pipe || one.audio == last) continue;
      std::error_code error;  // shows when it is heard
      hasher.update(fmt::format("{} ", of(one.audio, error)));
      last = one.audio;
    }
  return hasher.hex();
}

std::string SpeechRows::identity_of_files() const {
  return hash_of_files([](const std::string& file, std::error_code& error) { return fs::file_size(file, error); });
}

// A noisier copy of a corpus has the same names and sizes.
std::string SpeechRows::times_of_files() const {
  return hash_of_files(
      [](const std::string& file, std::error_code& error) { return fs::last_write_time(file, error).time_since_epoch().count(); });
}

bool SpeechRows::next(Row& row) {
  while (corpus_ < corpora_.size() && next_ == corpora_[corpus_].utterances.size()) ++corpus_, next_ = 0;
  if (corpus_ == corpora_.size()) return false;
  const Utterance& one = corpora_[corpus_].utterances[next_++];
  row = Row();
  row.source = corpus_;
  row.id = corpora_.size() > 1 ? fmt::format("{}:{}", corpus_, one.id) : one.id;
  row.line = one.line;
  row.text = one.text;
  row.weight = one.weight;
  row.group = speaker_of(one);
  row.language = one.language;
  row.split = one.split;
  take_labels(one, row);
  return true;
}

LeftOut SpeechRows::left_out(Fault fault, const std::string& detail) const {
  const Corpus& corpus = corpora_[corpus_];
  const Utterance& one = corpus.utterances[next_ - 1];
  return {name_of(fault), corpus.where(one), one.id, corpus.about(one, detail), corpus_};
}

std::optional<LeftOut> SpeechRows::complete_text(Row& row) const {
  row.text = speech_.rules.apply(row.text);
  if (!with_ids_) return {};
  if (trim(row.text).empty()) return left_out(Fault::audio_without_text, "the rules for text leave nothing of it");
  const std::vector<std::string> missing = speech_.unspellable ? speech_.unspellable(row.text) : std::vector<std::string>();
  if (missing.empty()) return {};
  return left_out(Fault::unspellable, unspellable(missing, row.text));
}

std::optional<LeftOut> SpeechRows::complete(Row& row) {
  const Utterance& one = corpora_[corpus_].utterances[next_ - 1];
  std::optional<LeftOut> left = complete_text(row);
  if (!left) {
    const Listener::Heard heard = listener_.hear(one);
    if (heard.fault) left = left_out(*heard.fault, heard.detail);
    else store(row, heard);
  }
  if (left && !is_filter(left->reason)) {
    bad_.push_back(*left);
    check_bad(left->where);
  }
  return left;
}

// Once this rank alone has too much, nothing that others find can help.
void SpeechRows::check_bad(const std::string& where) const {
  const std::uint64_t all = utterances_ + listed_bad_;
  if (listed_bad_ + bad_.size() <= speech_.bad.of(all)) return;
  SpeechReport known;
  for (const Corpus& corpus : corpora_) known.corpora.push_back({corpus.path, name_of(corpus.format), 0, 0, corpus.left_out});
  for (const LeftOut& left : bad_) known.corpora[left.source].left_out.push_back(left);
  known.check(speech_.bad, all, where);
}

void SpeechRows::store(Row& row, const Listener::Heard& heard) const {
  row.audio.seconds = heard.audio.seconds();
  switch (speech_.audio) {
    case AudioCodec::none: break;
    case AudioCodec::i16: row.audio.samples = samples_of(heard.audio.samples); break;
    case AudioCodec::flac:
      if (heard.bytes.starts_with("fLaC") && heard.whole) row.audio.file = heard.bytes;
      else row.audio.file = audio::encode_audio(heard.audio.samples, heard.audio.sample_rate, audio::AudioFormat::flac);
      break;
    case AudioCodec::features: {
      const std::vector<float> values = speech_.features.of(heard.audio.samples);
      if (values.size() % speech_.features.width != 0)
        throw DataError("{}: features: expected frames of {} numbers, found {} numbers", row.id, speech_.features.width, values.size());
      row.audio.features.resize(values.size());
      std::transform(values.begin(), values.end(), row.audio.features.begin(), half_of);
      break;
    }
  }
}

void SpeechRows::judge(const std::vector<ShardIndex>& directories) const {
  report_of(directories, 0).check(speech_.bad);
  for (const ShardIndex& index : directories)
    if (index.rows == 0)
      throw DataError("{}: {}: expected rows, found none: every utterance was left out:{}", corpora_[0].path, index.name,
                      report_of({index}, 0).reasons());
}

SpeechReport report_of(const std::vector<ShardIndex>& directories, double took_s) {
  SpeechReport report;
  report.took_s = took_s;
  for (const SourceEntry& source : directories.at(0).sources) report.corpora.push_back({source.path, source.format, 0, 0, {}});
  const auto leave_out = [&](const LeftOut& left) { report.corpora.at(left.source).left_out.push_back(left); };
  for (const LeftOut& left : directories[0].left_out) leave_out(left);  // the same in each
  for (const ShardIndex& index : directories) {
    for (std::size_t s = 0; s < index.sources.size(); ++s) {
      report.corpora.at(s).rows += index.sources[s].rows;
      report.corpora.at(s).seconds += index.sources[s].seconds;
    }
    for (const ShardEntry& shard : index.shards)
      for (const LeftOut& left : shard.left_out) leave_out(left);
  }
  return report;
}

ShardReport write_speech_shards(const std::vector<fs::path>& corpora, const fs::path& out, const RowEncoder* encoder,
                                const SpeechOptions& speech, const ShardOptions& options, const ShardRanks& ranks,
                                const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  return write_shards([&] { return std::make_unique<SpeechRows>(corpora, speech, options, encoder != nullptr); }, out, encoder, options,
                      ranks, progress);
}

}  // namespace thaw
