// Ranks that are threads of the test: what runs over a communicator, on any number of ranks, without a launcher.
#pragma once

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "framework/comm/communicator.h"

namespace thaw::test {

class ThreadRanks {
 public:
  // Calls `body` on so many ranks at once. It must not throw: the others would wait for it for ever. Sums are under way for that
  // long, as on a slow network.
  static void run(int ranks, const std::function<void(const std::shared_ptr<Communicator>&)>& body,
                  std::chrono::milliseconds sums_take = std::chrono::milliseconds(0)) {
    ThreadRanks all(ranks, sums_take);
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < ranks; ++rank) threads.emplace_back([&, rank] { body(std::make_shared<Rank>(all, rank)); });
  }

 private:
  ThreadRanks(int ranks, std::chrono::milliseconds sum_takes)
      : barrier(ranks), given(static_cast<std::size_t>(ranks)), sent(static_cast<std::size_t>(ranks)), size(ranks), sums_take(sum_takes) {}

  class Later final : public Request {
   public:
    explicit Later(std::chrono::milliseconds after) : at_(std::chrono::steady_clock::now() + after) {}
    bool test() override { return std::chrono::steady_clock::now() >= at_; }
    void wait() override { std::this_thread::sleep_until(at_); }

   private:
    std::chrono::steady_clock::time_point at_;
  };

  // Every collective: each rank shows its buffer, all look at what they need, and nobody goes on before all have.
  class Rank final : public Communicator {
   public:
    Rank(ThreadRanks& all, int rank) : all_(all), rank_(rank) {}
    int rank() const override { return rank_; }
    int size() const override { return all_.size; }
    const char* backend() const override { return "threads"; }
    std::unique_ptr<Communicator> split_node() override { return std::make_unique<Rank>(all_, rank_); }
    std::unique_ptr<Communicator> split(int) override { throw std::logic_error("no parts of threads"); }
    [[noreturn]] void abort(int exit_code) override { std::_Exit(exit_code); }

   protected:
    void do_barrier() override { all_.barrier.arrive_and_wait(); }
    void do_broadcast(void* data, std::size_t bytes, int root) override {
      together(data, [&] {
        if (rank_ != root) std::memcpy(data, of(root), bytes);
      });
    }
    void do_all_gather(const void* data, std::size_t bytes, void* into) override {
      together(data, [&] {
        for (int from = 0; from < size(); ++from)
          std::memcpy(static_cast<char*>(into) + bytes * static_cast<std::size_t>(from), of(from), bytes);
      });
    }
    std::unique_ptr<Request> do_all_reduce(void* data, std::size_t count, CommType type, CommOp op) override {
      if (type == CommType::u8) reduce<std::uint8_t>(data, count, op);
      else if (type == CommType::i64) reduce<std::int64_t>(data, count, op);
      else if (type == CommType::f32) reduce<float>(data, count, op);
      else if (type == CommType::f64) reduce<double>(data, count, op);
      else throw std::logic_error("no sums of this type between threads");
      return std::make_unique<Later>(all_.sums_take);
    }
    std::unique_ptr<Request> do_tree_sum(std::shared_ptr<const SumTree> tree, std::vector<float*> pieces, float* sum,
                                         std::size_t count) override {
      std::vector<float> all(count);
      together(&pieces, [&] {
        add_pieces(
            *tree,
            [&](std::size_t from, std::size_t n) { return (*static_cast<const std::vector<float*>*>(of(static_cast<int>(from))))[n]; },
            all.data(), count);
      });
      std::copy(all.begin(), all.end(), sum);
      return done_already();
    }
    // A message's two ends meet; a rank sends to one other alone.
    void do_send(const void* data, std::size_t, int, int) override {
      std::atomic<const void*>& sent = all_.sent[static_cast<std::size_t>(rank_)];
      sent.store(data);
      sent.notify_all();
      sent.wait(data);
    }
    void do_receive(void* data, std::size_t bytes, int from, int) override {
      std::atomic<const void*>& sent = all_.sent[static_cast<std::size_t>(from)];
      sent.wait(nullptr);
      std::memcpy(data, sent.load(), bytes);
      sent.store(nullptr);
      sent.notify_all();
    }

   private:
    const void* of(int rank) const { return all_.given[static_cast<std::size_t>(rank)]; }
    template <typename Look>
    void together(const void* mine, const Look& look) {
      all_.given[static_cast<std::size_t>(rank_)] = mine;
      do_barrier();
      look();
      do_barrier();
    }
    template <typename T>
    void reduce(void* data, std::size_t count, CommOp op) {
      std::vector<T> sum(count);
      together(data, [&] {
        for (int from = 0; from < size(); ++from)
          for (std::size_t i = 0; i < count; ++i) {
            const T value = static_cast<const T*>(of(from))[i];
            sum[i] = from == 0           ? value
                     : op == CommOp::sum ? static_cast<T>(sum[i] + value)
                     : op == CommOp::max ? std::max(sum[i], value)
                                         : std::min(sum[i], value);
          }
      });
      std::copy(sum.begin(), sum.end(), static_cast<T*>(data));
    }

    ThreadRanks& all_;
    int rank_;
  };

  std::barrier<> barrier;
  std::vector<const void*> given;
  std::vector<std::atomic<const void*>> sent;
  int size;
  std::chrono::milliseconds sums_take;
};

}  // namespace thaw::test
