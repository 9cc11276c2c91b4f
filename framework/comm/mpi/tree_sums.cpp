#include "framework/comm/mpi/tree_sums.h"

#include <algorithm>
#include <exception>

#include "framework/comm/mpi/check.h"

namespace thaw {

TreeSums::TreeSums(MPI_Comm comm) {
  for (MPI_Comm* const copy : {&exchange_, &gather_}) check_mpi(MPI_Comm_dup(comm, copy), "MPI_Comm_dup");
  int rank = 0, size = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  rank_ = static_cast<std::size_t>(rank);
  size_ = static_cast<std::size_t>(size);
}

TreeSums::~TreeSums() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (std::uncaught_exceptions() > 0 || finalized != 0) return;
  for (MPI_Comm* const copy : {&exchange_, &gather_}) MPI_Comm_free(copy);
}

std::uint64_t TreeSums::add(std::shared_ptr<const SumTree> tree, const std::vector<float*>& pieces, float* sum, std::size_t count) {
  Sum& s = sums_.emplace_back();
  s.tree = std::move(tree);
  s.sum = sum;
  s.count = count;
  const auto add_count = [](std::vector<int>& counts, std::vector<int>& offsets, std::size_t number) {
    offsets.push_back(counts.empty() ? 0 : offsets.back() + counts.back());
    counts.push_back(static_cast<int>(number));
  };
  for (std::size_t rank = 0; rank < size_; ++rank) add_count(s.slices, s.slice_offsets, count * (rank + 1) / size_ - count * rank / size_);
  for (std::size_t rank = 0; rank < size_; ++rank) {
    const auto length = static_cast<std::size_t>(s.slices[rank]);
    add_count(s.send_counts, s.send_offsets, pieces.size() * length);
    add_count(s.receive_counts, s.receive_offsets,
              static_cast<std::size_t>(s.tree->pieces(static_cast<int>(rank))) * static_cast<std::size_t>(s.slices[rank_]));
    for (const float* const piece : pieces)
      s.sent.insert(s.sent.end(), piece + s.slice_offsets[rank], piece + s.slice_offsets[rank] + length);
  }
  s.received.resize(static_cast<std::size_t>(s.receive_offsets.back() + s.receive_counts.back()));
  check_mpi(MPI_Ialltoallv(s.sent.data(), s.send_counts.data(), s.send_offsets.data(), MPI_FLOAT, s.received.data(),
                           s.receive_counts.data(), s.receive_offsets.data(), MPI_FLOAT, exchange_, &s.request),
            "MPI_Ialltoallv");
  return ++added_;
}

void TreeSums::add_own_slice(Sum& s) const {
  const auto length = static_cast<std::size_t>(s.slices[rank_]);
  const auto piece_of = [&](std::size_t rank, std::size_t number) { return s.received.data() + s.receive_offsets[rank] + number * length; };
  add_pieces(*s.tree, piece_of, s.sum + s.slice_offsets[rank_], length);
}

void TreeSums::progress() {
  bool in_order = true;  // gatherings begin in the sums' order
  for (Sum& s : sums_) {
    int arrived = 0;
    check_mpi(MPI_Test(&s.request, &arrived, MPI_STATUS_IGNORE), "MPI_Ialltoallv");
    if (!s.gathering && arrived != 0 && in_order) {
      add_own_slice(s);
      s.gathering = true;
      check_mpi(MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, s.sum, s.slices.data(), s.slice_offsets.data(), MPI_FLOAT, gather_,
                                &s.request),
                "MPI_Iallgatherv");
      arrived = 0;
    }
    in_order = in_order && s.gathering;
  }
  while (!sums_.empty() && sums_.front().gathering) {
    int arrived = 0;
    check_mpi(MPI_Test(&sums_.front().request, &arrived, MPI_STATUS_IGNORE), "MPI_Iallgatherv");
    if (arrived == 0) break;
    sums_.pop_front();
    ++done_;
  }
}

void TreeSums::wait(std::uint64_t ticket) {
  while (!done(ticket)) progress();
}

}  // namespace thaw
