#include "framework/comm/communicator.h"

#include <algorithm>
#include <cstring>

#include "framework/base/error.h"

namespace thaw {

std::size_t size_of(CommType type) {
  switch (type) {
    case CommType::u8: return 1;
    case CommType::bf16: return 2;
    case CommType::f32: return 4;
    case CommType::i64:
    case CommType::f64: return 8;
  }
  return 0;
}

double CurrentCollective::seconds() const {
  if (*name == '\0') return 0;
  return 1e-9 * static_cast<double>(std::chrono::steady_clock::now().time_since_epoch().count() - since_ns);
}

// Names the collective for as long as the object lives. One writer; readers see a whole entry or try again.
class Communicator::Published {
 public:
  Published(Communicator& comm, const char* name, std::uint64_t bytes, std::uint64_t sequence)
      : comm_(comm), sequence_(sequence), since_(std::chrono::steady_clock::now().time_since_epoch().count()) {
    set(name, bytes, since_);
  }
  ~Published() {
    comm_.waited_ns_.fetch_add(std::chrono::steady_clock::now().time_since_epoch().count() - since_, std::memory_order_relaxed);
    set("", 0, 0);
  }
  Published(const Published&) = delete;
  Published& operator=(const Published&) = delete;

 private:
  void set(const char* name, std::uint64_t bytes, std::int64_t since) {
    comm_.version_.fetch_add(1);
    comm_.name_.store(name);
    comm_.bytes_.store(bytes);
    comm_.sequence_.store(sequence_);
    comm_.since_ns_.store(since);
    comm_.version_.fetch_add(1);
  }
  Communicator& comm_;
  std::uint64_t sequence_;
  std::int64_t since_;
};

CurrentCollective Communicator::current() const {
  while (true) {
    const std::uint64_t before = version_.load();
    const CurrentCollective seen{name_.load(), bytes_.load(), sequence_.load(), since_ns_.load()};
    if (before % 2 == 0 && version_.load() == before) return seen;
  }
}

void Communicator::barrier() {
  const Published published(*this, "barrier", 0, ++begun_);
  do_barrier();
}

void Communicator::broadcast(void* data, std::size_t bytes, int root) {
  const Published published(*this, "broadcast", bytes, ++begun_);
  if (bytes > 0) do_broadcast(data, bytes, root);
}

void Communicator::all_reduce(void* data, std::size_t count, CommType type, CommOp op) {
  const Published published(*this, "all_reduce", count * size_of(type), ++begun_);
  if (count > 0) do_all_reduce(data, count, type, op)->wait();
}

std::unique_ptr<Request> done_already() {
  class Done final : public Request {
   public:
    bool test() override { return true; }
    void wait() override {}
  };
  return std::make_unique<Done>();
}

// The wait is where a rank gets stuck: it is named there, by the number that the collective has on every rank.
class Communicator::Waiting final : public Request {
 public:
  Waiting(Communicator& comm, std::unique_ptr<Request> inner, const char* name, std::uint64_t bytes)
      : comm_(comm), inner_(std::move(inner)), name_(name), bytes_(bytes), sequence_(comm.begun_) {}
  bool test() override { return inner_->test(); }
  void wait() override {
    const Published published(comm_, name_, bytes_, sequence_);
    inner_->wait();
  }

 private:
  Communicator& comm_;
  std::unique_ptr<Request> inner_;
  const char* name_;
  std::uint64_t bytes_, sequence_;
};

std::unique_ptr<Request> Communicator::all_reduce_async(void* data, std::size_t count, CommType type, CommOp op) {
  const std::uint64_t bytes = count * size_of(type);
  const Published published(*this, "all_reduce", bytes, ++begun_);
  if (count == 0) return done_already();
  return std::make_unique<Waiting>(*this, do_all_reduce(data, count, type, op), "all_reduce", bytes);
}

std::unique_ptr<Request> Communicator::tree_sum_async(std::shared_ptr<const SumTree> tree, std::vector<float*> pieces, float* sum,
                                                      std::size_t count) {
  const std::uint64_t bytes = count * sizeof(float);
  const Published published(*this, "tree_sum", bytes, ++begun_);
  if (count == 0) return done_already();
  return std::make_unique<Waiting>(*this, do_tree_sum(std::move(tree), std::move(pieces), sum, count), "tree_sum", bytes);
}

void Communicator::all_gather(const void* data, std::size_t bytes, void* into) {
  const Published published(*this, "all_gather", bytes, ++begun_);
  if (bytes > 0) do_all_gather(data, bytes, into);
}

void Communicator::send(const void* data, std::size_t bytes, int to, int tag) {
  const Published published(*this, "send", bytes, begun_);
  do_send(data, bytes, to, tag);
}

void Communicator::receive(void* data, std::size_t bytes, int from, int tag) {
  const Published published(*this, "receive", bytes, begun_);
  do_receive(data, bytes, from, tag);
}

std::vector<std::string> Communicator::all_gather_text(const std::string& mine) {
  const auto ranks = static_cast<std::size_t>(size());
  std::vector<std::uint64_t> sizes(ranks);
  const std::uint64_t own = mine.size();
  all_gather(&own, sizeof own, sizes.data());
  const std::uint64_t most = *std::max_element(sizes.begin(), sizes.end());
  std::string padded = mine, all(most * ranks, '\0');
  padded.resize(most);
  all_gather(padded.data(), most, all.data());
  std::vector<std::string> texts;
  for (std::size_t rank = 0; rank < ranks; ++rank) texts.push_back(all.substr(rank * most, sizes[rank]));
  return texts;
}

}  // namespace thaw
