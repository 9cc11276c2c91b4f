#include <exception>

#include "datasets/shards/shard.h"
#include "framework/base/error.h"

namespace thaw {

std::vector<std::string> together(const ShardRanks& ranks, const std::function<std::string()>& work) {
  // First byte: 0 for a result, else the exit code of an error whose text follows.
  std::string mine(1, '\0');
  std::exception_ptr error;
  try {
    mine += work();
  } catch (const Error& caught) {
    error = std::current_exception();
    mine = static_cast<char>(caught.code()) + std::string(caught.what());
  } catch (const std::exception& caught) {
    error = std::current_exception();
    mine = static_cast<char>(ExitCode::bug) + std::string(caught.what());
  }
  std::vector<std::string> all = ranks.all_gather(mine);
  if (error) std::rethrow_exception(error);
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    if (all[rank].empty()) throw CommError("rank {} sent nothing while sharding", rank);
    if (all[rank][0] != '\0') throw Error(static_cast<ExitCode>(all[rank][0]), fmt::format("{} (on rank {})", all[rank].substr(1), rank));
    all[rank].erase(0, 1);
  }
  return all;
}

}  // namespace thaw
