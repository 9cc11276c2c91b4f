#include "datasets/shards/cache.h"

#include <chrono>
#include <cstdlib>

#include "datasets/shards/construction.h"
#include "datasets/shards/shard.h"
#include "framework/base/error.h"
#include "framework/base/hash.h"

namespace thaw {
namespace {

using FileClock = fs::file_time_type::clock;

// The content's hash. Rank 0 keeps it under path, size and time, so that a large file is not read again at every start. A file
// that changed in the last seconds is not remembered: its time might stay the same through another change.
std::string content_hash(const fs::path& source, const fs::path& cache_dir) {
  const fs::path path = fs::weakly_canonical(source);
  const auto time = fs::last_write_time(source);
  const std::string state = fmt::format("{} {} {}", path.string(), fs::file_size(source), time.time_since_epoch().count());
  const fs::path note = cache_dir / "sources" / hash_hex(state);
  if (fs::exists(note)) {
    const std::string text = read_file(note);
    if (text.size() == 16 + 1 + state.size() && text.substr(17) == state) return text.substr(0, 16);
  }
  const std::string hash = hash_file(source);
  if (FileClock::now() - time > std::chrono::seconds(5)) {
    make_directory(note.parent_path());
    write_file_atomically(note, hash + "\n" + state);
  }
  return hash;
}

void check_directory(const fs::path& source, const RowEncoder& encoder, const ShardOptions& options) {
  const ShardIndex index = ShardIndex::read(source);
  const auto refuse = [&](const std::string& what) { throw DataError("{}: {}", (source / "index.json").string(), what); };
  if (index.tokenizer != encoder.fingerprint())
    refuse("sharded with another tokenizer than the model's: shard it again with this model, or name the source file instead");
  if (index.shape.labels != options.read.label_kind)
    refuse(fmt::format("expected labels of kind '{}', found '{}': change the task, or shard it again", name_of(options.read.label_kind),
                       name_of(index.shape.labels)));
  const bool no_limit = options.max_length == 0 || index.max_length == options.max_length;
  if (!no_limit && index.longest > static_cast<std::uint64_t>(options.max_length))
    refuse(fmt::format("has rows of {} tokens, expected at most {}: set max_length to {}, or shard it again", index.longest,
                       options.max_length, index.longest));
  if (!no_limit && index.truncated > 0)
    refuse(fmt::format("{} rows were cut at {} tokens, expected {}: set max_length to {}, or shard it again", index.truncated,
                       index.max_length, options.max_length, index.max_length));
  if (index.has("second_start") == options.read.pair.empty())
    refuse(fmt::format("rows have {}: name the second text's column, or shard it again",
                       options.read.pair.empty() ? "two texts" : "one text"));
  for (const auto& [column, wanted] : {std::pair("weight", options.read.weight), {"group", options.read.group}})
    if (!wanted.empty() && !index.has(column))
      refuse(fmt::format("rows have no {0}: shard it again with --{0} {1}, or leave data.{0} out", column, wanted));
}

// An entry that lacks shards is not finished, whatever its index says.
bool finished(const fs::path& entry) { return fs::exists(entry / "index.json") && ShardIndex::read(entry).incomplete(entry).empty(); }

// What a job left that died: of a finished entry the traces of the building, else all of it.
void remove_remains(const fs::path& entry) {
  const fs::path building = Construction::inside(entry);
  try {
    const Lease lease(building);  // nobody's, and from here on nobody else's
    std::error_code ignored;
    fs::remove_all(finished(entry) ? building : entry, ignored);
  } catch (const Error&) {  // a living job's, or not ours to remove
  }
}

// What jobs left that died and did not come back within a day, as one that is requeued would.
void remove_abandoned(const fs::path& cache_dir, const fs::path& but) {
  std::error_code error, ignored;
  const auto old = [&](const fs::path& path) {
    const auto last = fs::last_write_time(path, error);  // of what is being built it changes with every shard
    return !error && FileClock::now() - last > std::chrono::hours(24);
  };
  for (const auto& entry : fs::directory_iterator(cache_dir))
    if (entry.path() != but && old(Construction::inside(entry.path()))) remove_remains(entry.path());
  for (const auto& entry : fs::directory_iterator(cache_dir / "sources", ignored))
    if (entry.path().extension().string().starts_with(".tmp-") && old(entry.path())) fs::remove(entry.path(), ignored);
}

// "use" or "build", and the entry's directory.
std::string find_entry(const fs::path& cache_dir, const std::string& what) {
  make_directory(cache_dir);
  const fs::path entry = cache_dir / hash_hex(what);
  if (finished(entry)) {
    if (fs::exists(Construction::inside(entry))) remove_remains(entry);
    return "use " + entry.string();
  }
  remove_abandoned(cache_dir, entry);
  return "build " + entry.string();
}

// The directory that find_entry says, built by all ranks where it says so.
fs::path obeyed(const std::string& place, const std::function<void(const fs::path& entry)>& build) {
  fs::path directory = place.substr(place.find(' ') + 1);
  if (place.starts_with("build ")) build(directory);
  return directory;
}

}  // namespace

fs::path usual_cache_dir() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0') return fs::path(cache) / "thaw";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') return fs::path(home) / ".cache" / "thaw";
  throw RecipeError("data.cache_dir: neither $XDG_CACHE_HOME nor $HOME is set: say where source files may be sharded to");
}

fs::path ensure_sharded(const fs::path& source, const RowEncoder& encoder, const ShardOptions& options, const fs::path& cache_dir,
                        const ShardRanks& ranks) {
  if (options.fractions || !options.read.split.empty())
    throw UsageError("a source that is sharded into the cache has no splits: use thaw shard");
  // Rank 0 says where the shards are, or are to be, so that all ranks do the same.
  const std::string place = together(ranks, [&]() -> std::string {
    if (ranks.rank != 0) return "";
    if (fs::is_directory(source)) {
      check_directory(source, encoder, options);
      return "use " + source.string();
    }
    if (source != "-" && !fs::exists(source))
      throw DataError(ExitCode::input_missing, "{}: there is no such file or directory of shards", source.string());
    if (!fs::is_regular_file(source))
      throw UsageError("{}: only a file can be sharded into the cache: write it to one first", source.string());
    const std::string what = fmt::format("{} {} {} {}", content_hash(source, cache_dir), options_fingerprint(options, &encoder),
                                         source.stem().string(), static_cast<int>(format_of(source, options.read.format)));
    return find_entry(cache_dir, what);
  })[0];
  return obeyed(place, [&](const fs::path& entry) { write_shards({source}, entry, encoder, options, ranks, {}, WhereBusy::wait); });
}

fs::path ensure_sharded(const std::function<std::unique_ptr<RowSource>()>& open, const RowEncoder* encoder, const ShardOptions& options,
                        const fs::path& cache_dir, const ShardRanks& ranks) {
  const std::string place = together(ranks, [&]() -> std::string {
    if (ranks.rank != 0) return "";
    const std::unique_ptr<RowSource> source = open();
    return find_entry(cache_dir, fmt::format("{} {} {} {}", source->identity(), source->identity_of_files(), source->times_of_files(),
                                             options_fingerprint(options, encoder)));
  })[0];
  return obeyed(place, [&](const fs::path& entry) { write_shards(open, entry, encoder, options, ranks, {}, WhereBusy::wait); });
}

}  // namespace thaw
