#include "datasets/shards/cache.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>

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
  if (index.label_kind != options.read.label_kind)
    refuse(fmt::format("expected labels of kind '{}', found '{}': change the task, or shard it again", name_of(options.read.label_kind), name_of(index.label_kind)));
  const bool no_limit = options.max_length == 0 || index.max_length == options.max_length;
  if (!no_limit && index.longest > static_cast<std::uint64_t>(options.max_length))
    refuse(fmt::format("has rows of {} tokens, expected at most {}: set max_length to {}, or shard it again", index.longest, options.max_length, index.longest));
  if (!no_limit && index.truncated > 0)
    refuse(fmt::format("{} rows were cut at {} tokens, expected {}: set max_length to {}, or shard it again", index.truncated, index.max_length,
                       options.max_length, index.max_length));
  if (index.has("second_start") == options.read.pair.empty())
    refuse(fmt::format("rows have {}: name the second text's column, or shard it again", options.read.pair.empty() ? "two texts" : "one text"));
}

bool finished(const fs::path& directory) { return fs::exists(directory / "index.json"); }

std::string own_name() {
  std::string host(256, '\0');
  if (::gethostname(host.data(), host.size() - 1) != 0) host = "host";
  host.resize(host.find('\0') == std::string::npos ? host.size() : host.find('\0'));
  return fmt::format("{}-{}-{}", host, ::getpid(), std::chrono::steady_clock::now().time_since_epoch().count());
}

// A directory that no other job writes to; what a dead job left of the same key is taken over by renaming, which one job wins.
fs::path claim(const fs::path& target) {
  const std::string prefix = target.filename().string() + ".building-";
  const fs::path mine = target.parent_path() / (prefix + own_name());
  for (const auto& entry : fs::directory_iterator(target.parent_path())) {
    if (!entry.path().filename().string().starts_with(prefix)) continue;
    std::error_code error;
    const auto last = fs::last_write_time(entry.path(), error);  // changes with every shard
    if (error || FileClock::now() - last < std::chrono::hours(1)) continue;
    fs::rename(entry.path(), mine, error);
    if (!error) break;
  }
  make_directory(mine);
  return mine;
}

void publish(const fs::path& built, const fs::path& target) {
  std::error_code error;
  fs::rename(built, target, error);
  if (error && !finished(target)) throw FileError(ExitCode::cannot_write, "{}: cannot rename to {}: {}", built.string(), target.string(), error.message());
  if (error) fs::remove_all(built, error);  // another job was first, with the same content
  flush_to_disk(target.parent_path());
}

}  // namespace

fs::path usual_cache_dir() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0') return fs::path(cache) / "thaw";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') return fs::path(home) / ".cache" / "thaw";
  throw RecipeError("data.cache_dir: neither $XDG_CACHE_HOME nor $HOME is set: say where source files may be sharded to");
}

fs::path ensure_sharded(const fs::path& source, const RowEncoder& encoder, const ShardOptions& options, const fs::path& cache_dir, const ShardRanks& ranks) {
  if (options.fractions || !options.read.split.empty()) throw UsageError("a source that is sharded into the cache has no splits: use thaw shard");
  // Rank 0 says what is to be done, so that all do the same.
  const std::string plan = together(ranks, [&]() -> std::string {
    if (ranks.rank != 0) return "";
    if (source == "-") throw UsageError("standard input cannot be sharded into the cache: write it to a file first");
    if (fs::is_directory(source)) {
      check_directory(source, encoder, options);
      return "use " + source.string();
    }
    if (!fs::exists(source)) throw DataError(ExitCode::input_missing, "{}: there is no such file or directory of shards", source.string());
    make_directory(cache_dir);
    const std::string what = fmt::format("{} {} {} {}", content_hash(source, cache_dir), options_fingerprint(options, encoder), source.stem().string(),
                                         static_cast<int>(format_of(source, options.read.format)));
    const fs::path target = cache_dir / hash_hex(what);
    if (finished(target)) return "use " + target.string();
    return fmt::format("build {} {}", target.filename().string(), claim(target).string());
  })[0];
  if (plan.starts_with("use ")) return plan.substr(4);
  const std::size_t space = plan.find(' ', 6);
  const fs::path target = cache_dir / plan.substr(6, space - 6), built = plan.substr(space + 1);
  write_shards({source}, built, encoder, options, ranks);
  together(ranks, [&] {
    if (ranks.rank == 0) publish(built, target);
    return std::string();
  });
  return target;
}

}  // namespace thaw
