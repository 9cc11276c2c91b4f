#include "framework/comm/mpi/node_reduce.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string_view>

#include "framework/base/shared_memory.h"
#include "framework/comm/mpi/check.h"

namespace thaw {
namespace {

constexpr std::size_t chunk_floats = std::size_t{64} << 10;
constexpr std::uint64_t slots = 32;  // a ring of 8 MiB a rank: one of GradientSync's buckets passes without waiting for anybody
constexpr std::size_t ring_floats = chunk_floats * slots;
constexpr std::size_t line_floats = 16;  // slices begin on cache lines

bool wanted() {
  const char* const text = std::getenv("THAW_NODE_REDUCE");
  return text == nullptr || std::string_view(text) != "0";
}

}  // namespace

std::unique_ptr<NodeReduce> NodeReduce::make(MPI_Comm comm) {
  int size = 1, on_node = 1;
  MPI_Comm_size(comm, &size);
  MPI_Comm node = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node), "MPI_Comm_split_type");
  MPI_Comm_size(node, &on_node);
  MPI_Comm_free(&node);

  const std::size_t bytes = alignof(Header) + sizeof(Header) + ring_floats * sizeof(float);
  int ok = size > 1 && on_node == size && wanted() && shared_memory_holds(bytes * static_cast<std::size_t>(size)) ? 1 : 0;
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, &ok, 1, MPI_INT, MPI_MIN, comm), "MPI_Allreduce");
  if (ok == 0) return nullptr;

  // Each rank's part on pages of its own, which lie near the core that first writes them.
  MPI_Info info = MPI_INFO_NULL;
  MPI_Info_create(&info);
  MPI_Info_set(info, "alloc_shared_noncontig", "true");
  void* mine = nullptr;
  MPI_Win window = MPI_WIN_NULL;
  ok = MPI_Win_allocate_shared(static_cast<MPI_Aint>(bytes), 1, info, comm, &mine, &window) == MPI_SUCCESS ? 1 : 0;
  MPI_Info_free(&info);
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, &ok, 1, MPI_INT, MPI_MIN, comm), "MPI_Allreduce");
  if (ok == 0) return nullptr;
  return std::unique_ptr<NodeReduce>(new NodeReduce(comm, window));
}

NodeReduce::NodeReduce(MPI_Comm comm, MPI_Win window) : comm_(comm), window_(window) {
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "counters are shared between processes");
  int rank = 0, size = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  rank_ = static_cast<std::size_t>(rank);
  size_ = static_cast<std::size_t>(size);
  by_rank_ = std::make_shared<SumTree>(SumTree::by_rank(std::vector<int>(size_, 1)));
  for (int other = 0; other < size; ++other) {
    MPI_Aint bytes = 0;
    int unit = 0;
    void* base = nullptr;
    check_mpi(MPI_Win_shared_query(window, other, &bytes, &unit, &base), "MPI_Win_shared_query");
    // MPI aligns a part to 8 bytes; where the next cache line begins in it is the same for all, who map it by whole pages.
    std::size_t room = static_cast<std::size_t>(bytes);
    ranks_.push_back(static_cast<Header*>(std::align(alignof(Header), sizeof(Header) + ring_floats * sizeof(float), base, room)));
  }
  MPI_Win_lock_all(MPI_MODE_NOCHECK, window_);
  Header* const mine = new (ranks_[rank_]) Header;
  for (Counter* counter : {&mine->copied, &mine->reduced, &mine->taken}) counter->slots.store(0);
  check_mpi(MPI_Barrier(comm_), "MPI_Barrier");  // nobody reads a counter before it is there
}

NodeReduce::~NodeReduce() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (std::uncaught_exceptions() > 0 || finalized != 0) return;  // freeing waits for all ranks: not while an error is under way
  MPI_Win_unlock_all(window_);
  MPI_Win_free(&window_);
}

std::uint64_t NodeReduce::add(std::shared_ptr<const SumTree> tree, std::vector<float*> pieces, float* sum, std::size_t count) {
  const auto width = static_cast<std::uint64_t>(tree->most_pieces());
  const std::uint64_t first = added_;
  added_ += (count + chunk_floats - 1) / chunk_floats * width;
  sums_.push_back({std::move(tree), std::move(pieces), sum, count, width, first, added_});
  progress();
  return added_;
}

bool NodeReduce::progress() {
  bool moved = false;
  // One chunk of each kind in turn: what was just written is read while it is still in the cache.
  while (!sums_.empty()) {
    const bool took = take_one(), reduced = reduce_one(), copied = copy_one();
    if (!took && !reduced && !copied) break;
    moved = true;
  }
  return moved;
}

void NodeReduce::wait(std::uint64_t ticket) {
  for (int idle_turns = 0; !done(ticket); ++idle_turns) {
    if (progress()) idle_turns = 0;
    if (idle_turns < 200) continue;
    // Another rank may be waiting in MPI for this one, and on a full machine for its core.
    int found = 0;
    MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm_, &found, MPI_STATUS_IGNORE);
    ::sched_yield();
  }
}

bool NodeReduce::copy_one() {
  if (copied_ == added_) return false;
  const Chunk from = chunk(copied_);
  if (copied_ + from.of.slots > slots && !all_past(&Header::taken, copied_ + from.of.slots - slots - 1, all_taken_)) return false;
  const Slice own = slice(from.count, rank_);
  for (std::size_t piece = 0; piece < from.of.pieces.size(); ++piece) {
    const float* const data = from.of.pieces[piece] + from.offset;
    float* const to = slot(rank_, copied_ + piece);
    // This rank adds up its own slice, straight from where it lies.
    std::memcpy(to, data, own.begin * sizeof(float));
    std::memcpy(to + own.end, data + own.end, (from.count - own.end) * sizeof(float));
  }
  ranks_[rank_]->copied.slots.store(copied_ += from.of.slots, std::memory_order_release);
  return true;
}

bool NodeReduce::reduce_one() {
  if (reduced_ == copied_ || !all_past(&Header::copied, reduced_, all_copied_)) return false;
  const Chunk in = chunk(reduced_);
  const Slice own = slice(in.count, rank_);
  const auto piece_of = [&](std::size_t rank, std::size_t number) -> const float* {
    return (rank == rank_ ? in.of.pieces[number] + in.offset : slot(rank, reduced_ + number)) + own.begin;
  };
  float* const sum = in.of.sum + in.offset + own.begin;
  add_pieces(*in.of.tree, piece_of, sum, own.end - own.begin);
  std::memcpy(slot(rank_, reduced_) + own.begin, sum, (own.end - own.begin) * sizeof(float));
  ranks_[rank_]->reduced.slots.store(reduced_ += in.of.slots, std::memory_order_release);
  return true;
}

bool NodeReduce::take_one() {
  if (taken_ == reduced_ || !all_past(&Header::reduced, taken_, all_reduced_)) return false;
  const Chunk into = chunk(taken_);
  for (std::size_t rank = 0; rank < size_; ++rank) {
    if (rank == rank_) continue;
    const Slice part = slice(into.count, rank);
    std::memcpy(into.of.sum + into.offset + part.begin, slot(rank, taken_) + part.begin, (part.end - part.begin) * sizeof(float));
  }
  ranks_[rank_]->taken.slots.store(taken_ += into.of.slots, std::memory_order_release);
  while (!sums_.empty() && sums_.front().end <= taken_) sums_.pop_front();
  return true;
}

NodeReduce::Chunk NodeReduce::chunk(std::uint64_t number) const {
  const Sum& sum = *std::find_if(sums_.begin(), sums_.end(), [&](const Sum& each) { return number < each.end; });
  const std::size_t offset = static_cast<std::size_t>((number - sum.first) / sum.slots) * chunk_floats;
  return {sum, offset, std::min(chunk_floats, sum.count - offset)};
}

NodeReduce::Slice NodeReduce::slice(std::size_t count, std::size_t rank) const {
  const std::size_t each = ((count + size_ - 1) / size_ + line_floats - 1) / line_floats * line_floats;
  return {std::min(count, each * rank), std::min(count, each * (rank + 1))};
}

float* NodeReduce::slot(std::size_t rank, std::uint64_t number) const {
  return reinterpret_cast<float*>(ranks_[rank] + 1) + (number % slots) * chunk_floats;
}

// Whether every rank has done this step for slot `number`; the others' counters are read only where what is known does not
// tell.
bool NodeReduce::all_past(Counter Header::*counter, std::uint64_t number, std::uint64_t& known) const {
  if (known > number) return true;
  std::uint64_t least = UINT64_MAX;
  for (Header* const header : ranks_) least = std::min(least, (header->*counter).slots.load(std::memory_order_acquire));
  known = least;
  return known > number;
}

}  // namespace thaw
