#include "datasets/shards/shard.h"

#include <algorithm>
#include <map>
#include <set>

#include "datasets/shards/construction.h"
#include "datasets/shards/shard_builder.h"
#include "datasets/shards/text_rows.h"
#include "framework/base/error.h"
#include "framework/base/hash.h"

namespace thaw {
namespace {

bool intact(const fs::path& directory, const ShardEntry& entry) {
  std::error_code error;
  const fs::path path = directory / entry.file;
  if (fs::file_size(path, error) != entry.bytes || error) return false;
  return block_checksums(MappedFile(path).text()) == entry.xxh3;
}

// One directory: its index, and which shards are there already.
struct Output {
  std::string split;
  fs::path path;
  ShardIndex index;           // rows, tokens and checksums are filled in at the end
  std::uint64_t planned = 0;  // rows, with those that may yet be left out
  std::uint64_t shards = 0;
  std::vector<std::optional<ShardEntry>> done;  // of this rank's shards
  std::optional<ShardBuilder> builder;
  std::uint64_t next_row = 0;

  std::uint64_t first_shard = 0;  // counted over all directories, for sharing them out
  std::string file_of(std::uint64_t shard) const { return shard_file_name(index.name, shard, shards); }
};

class Sharding {
 public:
  Sharding(std::unique_ptr<RowSource> source, const fs::path& out, const RowEncoder* encoder, const ShardOptions& options,
           const ShardRanks& ranks)
      : out_(out), encoder_(encoder), options_(options), ranks_(ranks), source_(std::move(source)) {
    if (options.rows_per_shard == 0) throw DataError("rows a shard: expected 1 or more");
    scan_ = source_->scan();
    const ShardIndex described = source_->describe();
    std::uint64_t shards = 0;
    for (std::size_t i = 0; i < scan_.splits.size(); ++i) {
      Output& output = outputs_.emplace_back();
      output.split = scan_.splits[i];
      output.path = output.split.empty() ? out : out / output.split;
      output.index = described;
      output.planned = scan_.rows[i];
      describe(output.index, i);
      output.shards = (output.planned + options_.rows_per_shard - 1) / options_.rows_per_shard;
      output.done.resize(output.shards);
      output.first_shard = shards;
      shards += output.shards;
    }
  }

  // What rank 0 found of the files beside the sources decides the shards too.
  std::string identity_of_files() const { return source_->identity_of_files(); }
  void identify(const std::string& files) {
    const std::string identity = options_fingerprint(options_, encoder_) + source_->identity() + files;
    for (Output& output : outputs_) output.index.options = hash_hex(identity + "," + output.index.name);
  }

  const std::string& source_name() const { return outputs_[0].index.sources[0].path; }
  const std::vector<std::string>& notes() const { return scan_.notes; }
  std::string summary() const { return scan_.summary() + source_->identity(); }

  // Whether all that is to be written seems to be there: names and sizes are looked at, not the shards themselves.
  bool looks_finished() const {
    return !fs::exists(Construction::inside(out_)) && std::all_of(outputs_.begin(), outputs_.end(), [](const Output& output) {
      return fs::exists(output.path / "index.json") && ShardIndex::read(output.path).incomplete(output.path).empty();
    });
  }

  // This rank's shards of an earlier run, finished or (where `site` knows of it) interrupted; how many rows are still to be written.
  std::uint64_t find_finished(const Construction* site) {
    kept_ = to_do_ = 0;
    for (Output& output : outputs_) {
      std::map<std::string, ShardEntry> known;
      if (fs::exists(output.path / "index.json")) {
        const ShardIndex old = ShardIndex::read(output.path);
        if (old.options != output.index.options)
          throw DataError(ExitCode::cannot_write,
                          "{}: holds finished shards of other sources, options or tokenizer: remove it, or choose another directory",
                          output.path.string());
        for (const ShardEntry& entry : old.shards) known.emplace(entry.file, entry);
      }
      for (std::uint64_t shard = 0; shard < output.shards; ++shard) {
        if (!mine(output, shard)) continue;
        std::optional<ShardEntry> entry;
        if (const auto found = known.find(output.file_of(shard)); found != known.end()) entry = found->second;
        else if (site != nullptr) entry = site->noted(fs::path(output.split) / output.file_of(shard), output.index.options);
        if (entry && !intact(output.path, *entry)) entry.reset();
        output.done[shard] = entry;
        if (entry) ++kept_;
        else to_do_ += std::min(options_.rows_per_shard, output.planned - shard * options_.rows_per_shard);
      }
    }
    return to_do_;
  }

  // Of what an interrupted run with other sources or options left, nothing stays.
  void start_over(const Construction& site) const {
    std::set<std::string> ours;
    for (const Output& output : outputs_) ours.insert(output.index.options);
    if (const std::size_t removed = site.keep_only(ours); removed > 0)
      ranks_.say(
          fmt::format("{}: removed {} shards that an interrupted run with other sources or options had left", out_.string(), removed));
  }

  void write_missing(const Construction& site, const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
    std::uint64_t rows = 0;
    Row row;
    for (source_->rewind(); source_->next(row);) {
      Output& output = outputs_[scan_.split(options_, row)];
      const std::uint64_t number = output.next_row++, shard = number / options_.rows_per_shard;
      if (!mine(output, shard) || output.done[shard]) continue;
      if (!output.builder) output.builder.emplace(output.index, encoder_);
      if (std::optional<LeftOut> left_out = source_->complete(row)) output.builder->leave_out(std::move(*left_out));
      else output.builder->add(row);
      const bool last = (number + 1) % options_.rows_per_shard == 0 || number + 1 == output.planned;
      if (++rows % (output.index.shape.audio == AudioCodec::none ? 1024 : 32) == 0 && progress) progress(rows, to_do_);
      if (last) write(site, output, shard);
      if (rows < to_do_) continue;
      if (progress) progress(rows, to_do_);
      return;
    }
    throw DataError("{}: ended before the rows that it had a moment ago: it is being changed", outputs_[0].index.sources.back().path);
  }

  // This rank's entries, as the other ranks get them.
  std::string entries() const {
    Json all = Json::array();
    for (std::size_t i = 0; i < outputs_.size(); ++i)
      for (std::uint64_t shard = 0; shard < outputs_[i].shards; ++shard)
        if (outputs_[i].done[shard]) all.push_back({{"output", i}, {"shard", shard}, {"entry", outputs_[i].done[shard]->to_json()}});
    return Json{{"kept", kept_}, {"written", written_}, {"entries", all}}.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  // Completes the indexes from all ranks' entries.
  ShardReport report(const std::vector<std::string>& of_ranks) {
    ShardReport report;
    for (std::size_t rank = 0; rank < of_ranks.size(); ++rank) {
      const JsonFile file(fmt::format("shards of rank {}", rank), of_ranks[rank]);
      report.kept += static_cast<std::uint64_t>(file.view()["kept"].integer());
      report.written += static_cast<std::uint64_t>(file.view()["written"].integer());
      const JsonView all = file.view()["entries"];
      for (std::size_t i = 0; i < all.size(); ++i)
        outputs_.at(static_cast<std::size_t>(all[i]["output"].integer())).done.at(static_cast<std::size_t>(all[i]["shard"].integer())) =
            ShardEntry::read(all[i]["entry"]);
    }
    for (Output& output : outputs_) {
      for (const auto& entry : output.done) {
        if (!entry) throw Error(ExitCode::bug, output.path.string() + ": a shard was written by no rank");
        add(output.index, *entry);
      }
      report.directories.push_back({output.split, output.path, output.index});
    }
    return report;
  }

  void judge() const {
    std::vector<ShardIndex> indexes;
    for (const Output& output : outputs_) indexes.push_back(output.index);
    source_->judge(indexes);
  }

  // Rank 0 alone. An index is published once every shard that it lists is seen to be there.
  void commit(Construction& site) const {
    for (const Output& output : outputs_) {
      if (const std::string lost = output.index.incomplete(output.path); !lost.empty())
        throw FileError("{}: vanished or changed while the shards beside it were written: run the same command again",
                        (output.path / lost).string());
      site.write_index(fs::path(output.split) / "index.json", output.index.to_text());
    }
    site.close();
  }

 private:
  // What the source leaves open of split i's index.
  void describe(ShardIndex& index, std::size_t i) const {
    if (!scan_.splits[i].empty()) index.name = scan_.splits[i];
    index.labels = scan_.labels;
    index.max_length = options_.max_length;
    if (index.shape.ids) {
      index.vocabulary_size = encoder_->vocabulary_size();
      index.tokenizer = encoder_->fingerprint();
      index.shape.wide_ids = index.vocabulary_size > 65536;
    }
    for (const ReadCounts& counts : scan_.counts) index.repaired += counts.repaired, index.skipped += counts.skipped;
    if (index.shape.audio == AudioCodec::none)  // else the shards say
      for (std::size_t s = 0; s < index.sources.size(); ++s) index.sources[s].rows = scan_.source_rows[i][s];
  }

  static void add(ShardIndex& index, const ShardEntry& entry) {
    index.rows += entry.rows;
    index.tokens += entry.tokens;
    index.truncated += entry.truncated;
    index.longest = std::max(index.longest, entry.longest);
    index.seconds += entry.seconds;
    for (const SourceShare& share : entry.sources) {
      index.sources.at(share.source).rows += share.rows;
      index.sources.at(share.source).seconds += share.seconds;
    }
    index.shards.push_back(entry);
  }

  bool mine(const Output& output, std::uint64_t shard) const {
    return (output.first_shard + shard) % static_cast<std::uint64_t>(ranks_.size) == static_cast<std::uint64_t>(ranks_.rank);
  }

  void write(const Construction& site, Output& output, std::uint64_t shard) {
    auto [bytes, entry] = output.builder->finish();
    output.builder.reset();
    entry.file = output.file_of(shard);
    site.write_shard(fs::path(output.split) / entry.file, output.index.options, entry, bytes);
    output.done[shard] = std::move(entry);
    ++written_;
  }

  const fs::path out_;
  const RowEncoder* encoder_;
  const ShardOptions& options_;
  const ShardRanks& ranks_;
  std::unique_ptr<RowSource> source_;
  Scan scan_;
  std::vector<Output> outputs_;
  std::uint64_t to_do_ = 0, kept_ = 0, written_ = 0;
};

}  // namespace

std::string options_fingerprint(const ShardOptions& options, const RowEncoder* encoder) {
  const ReadOptions& read = options.read;
  Json json{{"format_version", shard_format_version},
            {"tokenizer", encoder == nullptr ? "" : encoder->fingerprint()},
            {"vocabulary_size", encoder == nullptr ? 0 : encoder->vocabulary_size()},
            {"max_length", options.max_length},
            {"rows_per_shard", options.rows_per_shard},
            {"delimiter", static_cast<int>(read.delimiter)},
            {"header", static_cast<int>(read.header)},
            {"wanted", {read.text, read.pair, read.label, read.weight, read.group, read.id, read.split}},
            {"label_kind", name_of(read.label_kind)},
            {"separator", read.separator},
            {"label_names", read.label_names},
            {"skip_bad_rows", read.skip_bad_rows}};
  if (options.fractions) json["fractions"] = {{"parts", options.fractions->parts}, {"seed", options.fractions->seed}};
  return hash_hex(json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

ShardReport write_shards(const std::vector<fs::path>& sources, const fs::path& out, const RowEncoder& encoder, const ShardOptions& options,
                         const ShardRanks& ranks, const std::function<void(std::uint64_t, std::uint64_t)>& progress, WhereBusy where_busy) {
  return write_shards([&] { return std::make_unique<TextRows>(sources, options, ranks); }, out, &encoder, options, ranks, progress,
                      where_busy);
}

ShardReport write_shards(const std::function<std::unique_ptr<RowSource>()>& open, const fs::path& out, const RowEncoder* encoder,
                         const ShardOptions& options, const ShardRanks& ranks,
                         const std::function<void(std::uint64_t, std::uint64_t)>& progress, WhereBusy where_busy) {
  std::optional<Sharding> sharding;
  const std::vector<std::string> seen = together(ranks, [&] {
    sharding.emplace(open(), out, encoder, options, ranks);
    return sharding->summary();
  });
  for (std::size_t rank = 0; rank < seen.size(); ++rank)
    if (seen[rank] != seen[0])
      throw DataError("{}: rank {} read something else than rank 0: the file is being changed, or nodes see different ones",
                      sharding->source_name(), rank);
  sharding->identify(together(ranks, [&] { return ranks.rank == 0 ? sharding->identity_of_files() : ""; })[0]);

  if (ranks.rank == 0)
    for (const std::string& note : sharding->notes()) ranks.say(note);
  const auto looks_finished = [&] { return sharding->looks_finished(); };
  while (true) {
    // What is finished is left alone: it may be read-only, or be read by others.
    const auto on_first = together(ranks, [&] { return std::string(ranks.rank == 0 && looks_finished() ? "finished" : ""); });
    if (on_first[0] == "finished") {
      const auto missing = together(ranks, [&] { return std::string(sharding->find_finished(nullptr) > 0 ? "some" : ""); });
      if (std::all_of(missing.begin(), missing.end(), [](const std::string& some) { return some.empty(); }))
        return sharding->report(together(ranks, [&] { return sharding->entries(); }));
    }
    const auto site = Construction::begin(out, ranks, where_busy == WhereBusy::wait ? looks_finished : std::function<bool()>());
    if (!site) continue;  // another job has just finished it
    together(ranks, [&] {
      if (ranks.rank == 0) sharding->start_over(*site);
      return std::string();
    });
    const std::vector<std::string> entries = together(ranks, [&] {
      if (sharding->find_finished(site.get()) > 0) sharding->write_missing(*site, progress);
      return sharding->entries();
    });
    ShardReport report;
    together(ranks, [&] {
      report = sharding->report(entries);
      sharding->judge();
      if (ranks.rank == 0) sharding->commit(*site);
      return std::string();
    });
    return report;
  }
}

}  // namespace thaw
