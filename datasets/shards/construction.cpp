#include "datasets/shards/construction.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "datasets/shards/shard.h"

namespace thaw {
namespace {

struct Note {
  std::string options;
  ShardEntry entry;
};

std::optional<Note> read_note(const fs::path& path) {
  if (!fs::exists(path)) return {};
  try {
    const JsonFile file(path);
    return Note{file.view()["options"].text(), ShardEntry::read(file.view()["entry"])};
  } catch (const DataError&) {  // a damaged note is no note: the shard is written again
    return {};
  }
}

}  // namespace

std::unique_ptr<Construction> Construction::begin(const fs::path& out, const ShardRanks& ranks, const std::function<bool()>& finished) {
  std::unique_ptr<Lease> lease;
  const std::string mark = together(ranks, [&]() -> std::string {
    if (ranks.rank != 0) return "";
    using std::chrono::milliseconds;
    for (milliseconds pause(0);; pause = std::clamp(2 * pause, milliseconds(100), milliseconds(2000))) {
      std::this_thread::sleep_for(pause);
      if (pause.count() > 0 && finished()) return "";
      try {
        lease = std::make_unique<Lease>(inside(out));
        return lease->mark();
      } catch (const LeaseHeld& held) {
        if (!finished) throw;
        if (pause.count() == 0) ranks.say(fmt::format("waiting for a job that is sharding into {}: {}", out.string(), held.owner()));
      }
    }
  })[0];
  if (mark.empty()) return nullptr;
  return std::unique_ptr<Construction>(new Construction(out, mark, std::move(lease)));
}

Construction::Construction(fs::path out, std::string mark, std::unique_ptr<Lease> lease)
    : out_(std::move(out)), building_(inside(out_)), written_(building_ / "written"), mark_(std::move(mark)), lease_(std::move(lease)) {}

Construction::~Construction() {
  std::error_code ignored;
  if (!lease_ || fs::exists(written_, ignored)) return;  // to be gone on with
  lease_->discard();
  fs::remove(building_, ignored);
}

fs::path Construction::note_of(const fs::path& shard) const { return written_ / (shard.string() + ".json"); }

std::optional<ShardEntry> Construction::noted(const fs::path& shard, const std::string& options) const {
  std::optional<Note> note = read_note(note_of(shard));
  return note && note->options == options ? std::optional(std::move(note->entry)) : std::nullopt;
}

std::size_t Construction::keep_only(const std::set<std::string>& options) const {
  if (!fs::exists(written_)) return 0;
  std::vector<fs::path> notes;
  std::size_t removed = 0;
  for (const auto& entry : fs::recursive_directory_iterator(written_))
    if (entry.path().extension() == ".json") notes.push_back(entry.path());
  for (const fs::path& path : notes) {
    if (const std::optional<Note> note = read_note(path); note && options.contains(note->options)) continue;
    const fs::path shard = fs::relative(path, written_).replace_extension(), directory = (out_ / shard).parent_path();
    if (!fs::exists(directory / "index.json")) {  // else it is finished, whatever else was not
      removed += fs::remove(out_ / shard) ? 1 : 0;
      std::error_code still_used;
      if (shard.has_parent_path()) fs::remove(directory, still_used);
    }
    fs::remove(path);
  }
  return removed;
}

void Construction::publish(const fs::path& file, std::string_view bytes) const {
  Lease::check(building_, mark_);
  make_directory(file.parent_path());
  AtomicFile whole(file, building_);
  whole.write(bytes);
  Lease::check(building_, mark_);  // the write may have taken long
  whole.commit();
}

void Construction::write_shard(const fs::path& shard, const std::string& options, const ShardEntry& entry, std::string_view bytes) const {
  publish(note_of(shard),
          OrderedJson{{"options", options}, {"entry", entry.to_json()}}.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n");
  publish(out_ / shard, bytes);
}

void Construction::write_index(const fs::path& index, const std::string& text) const {
  if (!fs::exists(out_ / index) || read_file(out_ / index) != text) publish(out_ / index, text);
}

void Construction::close() {
  Lease::check(building_, mark_);
  std::error_code ignored;  // what is left behind does no harm, and goes with the next run
  for (const auto& entry : fs::directory_iterator(building_))
    if (entry.path().filename() != "lease") fs::remove_all(entry.path(), ignored);
  lease_->discard();
  fs::remove(building_, ignored);
}

}  // namespace thaw
