// A directory of shards under construction. One job owns it at a time; once it is finished, nothing of this is left.
//   OUT/.building/lease/    whose it is (framework/base/lease.h); rank 0 holds it
//   OUT/.building/written/  SHARD.json for each shard that was begun: the fingerprint of its sources and options, and its entry
//   OUT/.building/          temporaries
// A note is there before its shard, so that all that an interrupted job left is known.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "datasets/shards/index.h"
#include "datasets/shards/options.h"
#include "framework/base/lease.h"

namespace thaw {

class Construction {
 public:
  static fs::path inside(const fs::path& out) { return out / ".building"; }  // there while a job is at it, or was interrupted

  // Takes the directory for all ranks. Collective. Where a living job has it: LeaseHeld (73, with its name); or, where `finished`
  // is given, waits for that job: nothing once `finished` (asked on rank 0) is true, else takes over as soon as the job is gone.
  static std::unique_ptr<Construction> begin(const fs::path& out, const ShardRanks& ranks, const std::function<bool()>& finished = {});

  ~Construction();  // leaves no trace either where no shard was begun
  // Removes shards that were begun with other sources or options than these, but for those of a directory that was finished, and
  // says how many. Rank 0 alone, before any rank writes.
  std::size_t keep_only(const std::set<std::string>& options) const;
  // What is noted of a shard (its name relative to OUT), if it was begun with these options.
  std::optional<ShardEntry> noted(const fs::path& shard, const std::string& options) const;

  // Both are whole or absent, and refused (73) once another job has taken over.
  void write_shard(const fs::path& shard, const std::string& options, const ShardEntry& entry, std::string_view bytes) const;
  void write_index(const fs::path& index, const std::string& text) const;

  void close();  // rank 0 alone, at the end

 private:
  Construction(fs::path out, std::string mark, std::unique_ptr<Lease> lease);
  fs::path note_of(const fs::path& shard) const;
  void publish(const fs::path& file, std::string_view bytes) const;

  fs::path out_, building_, written_;
  std::string mark_;              // of the lease, by which every rank checks it
  std::unique_ptr<Lease> lease_;  // on rank 0
};

}  // namespace thaw
