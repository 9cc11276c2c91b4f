// Every collective and type, against answers computed here: the same body over MPI (host memory) and NCCL (a GPU's).
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <thread>

#include "framework/base/clock.h"
#include "tests/comm/ranks.h"

namespace thaw {
namespace {

using ranked::Buffer, ranked::comm, ranked::rank, ranked::size;

// What rank `r` brings at place `i`: small integers, so that sums are exact in every type, bf16 too.
int value(int r, std::size_t i) { return static_cast<int>((static_cast<std::size_t>(r) * 7 + i * 3) % 13) - 2; }

int expected(CommOp op, std::size_t i) {
  int result = value(0, i);
  for (int r = 1; r < size(); ++r) {
    const int next = value(r, i);
    result = op == CommOp::sum ? result + next : op == CommOp::max ? std::max(result, next) : std::min(result, next);
  }
  return result;
}

struct BFloat16 {
  std::uint16_t bits = 0;
  BFloat16() = default;
  explicit BFloat16(double from) : bits(static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(static_cast<float>(from)) >> 16)) {}
  explicit operator double() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
};

template <typename T>
void reduce(CommType type, CommOp op, std::size_t count, int shift = 0) {
  std::vector<T> mine(count);
  for (std::size_t i = 0; i < count; ++i) mine[i] = static_cast<T>(value(rank(), i) + shift);
  Buffer<T> buffer(mine);
  comm().all_reduce(buffer.data(), count, type, op);
  const std::vector<T> got = buffer.read();
  const int shifted = op == CommOp::sum ? shift * size() : shift;
  for (std::size_t i = 0; i < count; ++i)
    ASSERT_EQ(static_cast<double>(got[i]), expected(op, i) + shifted) << "at " << i << " of " << count;
}

// Around the lines, slices and chunks that a sum may be cut into; the last needs more than one ring of shared memory.
const std::size_t counts[] = {0, 1, 3, 16, 17, 33, 1000, 65535, 65536, 65537, 300001, 5000003};

TEST(AllReduce, EveryTypeAndOperation) {
  for (const CommOp op : {CommOp::sum, CommOp::max, CommOp::min})
    for (const std::size_t count : {std::size_t{1}, std::size_t{1001}}) {
      SCOPED_TRACE(::testing::Message() << "operation " << static_cast<int>(op));
      reduce<std::uint8_t>(CommType::u8, op, count, 2);
      reduce<std::int64_t>(CommType::i64, op, count);
      reduce<float>(CommType::f32, op, count);
      reduce<double>(CommType::f64, op, count);
      if (op == CommOp::sum) reduce<BFloat16>(CommType::bf16, op, count);
    }
}

TEST(AllReduce, FloatSumsOfEverySize) {
  for (const std::size_t count : counts) reduce<float>(CommType::f32, CommOp::sum, count);
}

TEST(AllReduce, I64IsExactBeyondDoubles) {
  Buffer<std::int64_t> buffer({std::int64_t{1} << 60, rank() == 0 ? std::int64_t{1} : std::int64_t{0}});
  comm().all_reduce(buffer.data(), 2, CommType::i64, CommOp::max);
  EXPECT_EQ(buffer.read(), (std::vector<std::int64_t>{std::int64_t{1} << 60, 1}));
}

// A gradient that is not a number must not vanish on the way.
TEST(AllReduce, KeepsNanAndInfinity) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const bool last = rank() == size() - 1;
  Buffer<float> floats({last ? nan : 1, last ? infinity : 1});
  comm().all_reduce(floats.data(), 2, CommType::f32);
  EXPECT_TRUE(std::isnan(floats.read()[0]));
  EXPECT_EQ(floats.read()[1], infinity);
  Buffer<BFloat16> halves({BFloat16(last ? nan : 1), BFloat16(last ? infinity : 1)});
  comm().all_reduce(halves.data(), 2, CommType::bf16);
  EXPECT_TRUE(std::isnan(static_cast<double>(halves.read()[0])));
  EXPECT_EQ(static_cast<double>(halves.read()[1]), infinity);
}

// bf16 has 8 bits: 256 + 1 is a tie that goes to the even 256, 258 + 1 one that goes to 260.
TEST(AllReduce, Bf16RoundsToNearestEven) {
  if (size() != 2) GTEST_SKIP() << "for two ranks";
  Buffer<BFloat16> buffer(rank() == 0 ? std::vector{BFloat16(256), BFloat16(258), BFloat16(-258)}
                                      : std::vector{BFloat16(1), BFloat16(1), BFloat16(-1)});
  comm().all_reduce(buffer.data(), 3, CommType::bf16);
  const auto got = buffer.read();
  EXPECT_EQ(static_cast<double>(got[0]), 256);
  EXPECT_EQ(static_cast<double>(got[1]), 260);
  EXPECT_EQ(static_cast<double>(got[2]), -260);
}

TEST(AllReduce, SeveralOpenAtOnceCompleteInReverse) {
  std::vector<Buffer<float>> buffers;
  std::vector<std::unique_ptr<Request>> open;
  for (const std::size_t count : counts) {
    std::vector<float> mine(count);
    for (std::size_t i = 0; i < count; ++i) mine[i] = static_cast<float>(value(rank(), i));
    buffers.emplace_back(mine);
  }
  for (std::size_t k = 0; k < buffers.size(); ++k) open.push_back(comm().all_reduce_async(buffers[k].data(), counts[k], CommType::f32));
  for (std::size_t k = buffers.size(); k-- > 0;) {
    // Half of the ranks wait, the others ask again and again.
    if (rank() % 2 == 0) open[k]->wait();
    while (!open[k]->test()) {
    }
    open[k]->wait();
    const auto got = buffers[k].read();
    for (std::size_t i = 0; i < got.size(); ++i)
      ASSERT_EQ(got[i], static_cast<float>(expected(CommOp::sum, i))) << "at " << i << " of " << counts[k];
  }
}

// A rank that is already in the next collective still does its part of the sums before it.
TEST(AllReduce, OtherCollectivesPassOpenSums) {
  constexpr std::size_t count = 3000000;
  Buffer<float> floats(std::vector<float>(count, static_cast<float>(rank() + 1)));
  Buffer<BFloat16> halves(std::vector<BFloat16>(1000, BFloat16(rank() + 1)));
  Buffer<int> token({rank()}), all(std::vector<int>(static_cast<std::size_t>(size()), -1));
  auto first = comm().all_reduce_async(floats.data(), count, CommType::f32);
  auto second = comm().all_reduce_async(halves.data(), 1000, CommType::bf16);
  if (rank() % 2 == 0) first->wait();
  else second->wait();
  comm().barrier();
  comm().all_gather(token.data(), sizeof(int), all.data());
  for (int r = 0; r < size(); ++r) EXPECT_EQ(all.read()[static_cast<std::size_t>(r)], r);
  first->wait();
  second->wait();
  const int sum = size() * (size() + 1) / 2;
  EXPECT_EQ(floats.read().front(), static_cast<float>(sum));
  EXPECT_EQ(floats.read().back(), static_cast<float>(sum));
  EXPECT_EQ(static_cast<double>(halves.read().back()), sum);
}

// The same bits each time, and on every rank: values whose sum depends on the order.
TEST(AllReduce, SameBitsEachTimeOnEveryRank) {
  constexpr std::size_t count = 200003;
  std::vector<float> mine(count);
  for (std::size_t i = 0; i < count; ++i) mine[i] = std::ldexp(static_cast<float>(value(rank(), i)) + 0.1F, value(rank() + 3, i));
  Buffer<float> once(mine), again(mine);
  comm().all_reduce(once.data(), count, CommType::f32);
  auto first_part = comm().all_reduce_async(again.data(), count / 3, CommType::f32);
  auto second_part = comm().all_reduce_async(again.data() + count / 3, count - count / 3, CommType::f32);
  second_part->wait();
  first_part->wait();
  const std::vector<float> result = once.read();
  std::vector<std::vector<float>> ranks(static_cast<std::size_t>(size()), std::vector<float>(count));
  for (int r = 0; r < size(); ++r) {
    Buffer<float> theirs(r == rank() ? result : std::vector<float>(count));
    comm().broadcast(theirs.data(), theirs.bytes(), r);
    EXPECT_TRUE(theirs.read() == result) << "rank " << r << " has other bits";
  }
  // Summed by messages (or NCCL), the order is the library's own, and another cut may be added in another.
  const char* const shared = std::getenv("THAW_NODE_REDUCE");
  if (std::string(comm().backend()) == "nccl" || (shared != nullptr && std::string(shared) == "0")) return;
  EXPECT_TRUE(again.read() == result) << "the sum depends on how it was cut";
  for (std::size_t i = 0; i < count; i += 997) {
    float in_rank_order = 0;
    for (int r = 0; r < size(); ++r) {
      const float theirs = std::ldexp(static_cast<float>(value(r, i)) + 0.1F, value(r + 3, i));
      in_rank_order = r == 0 ? theirs : in_rank_order + theirs;
    }
    ASSERT_EQ(result[i], in_rank_order) << "at " << i;
  }
}

TEST(Broadcast, FromEveryRoot) {
  for (int root = 0; root < size(); ++root)
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{100003}}) {
      std::vector<std::int64_t> mine(count, rank() == root ? root + 5 : -1);
      Buffer<std::int64_t> buffer(mine);
      comm().broadcast(buffer.data(), buffer.bytes(), root);
      EXPECT_EQ(buffer.read(), std::vector<std::int64_t>(count, root + 5));
    }
}

TEST(AllGather, InRankOrder) {
  for (const std::size_t count : {std::size_t{1}, std::size_t{50001}}) {
    std::vector<int> mine(count);
    for (std::size_t i = 0; i < count; ++i) mine[i] = rank() * 1000000 + static_cast<int>(i);
    Buffer<int> from(mine), into(std::vector<int>(count * static_cast<std::size_t>(size()), -1));
    comm().all_gather(from.data(), from.bytes(), into.data());
    const auto all = into.read();
    for (int r = 0; r < size(); ++r)
      for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(all[static_cast<std::size_t>(r) * count + i], r * 1000000 + static_cast<int>(i));
  }
}

// Around the ring, small and too large to be sent before it is received: even ranks send first.
TEST(SendReceive, Ring) {
  if (size() == 1) GTEST_SKIP() << "nobody to send to";
  const int next = (rank() + 1) % size(), before = (rank() + size() - 1) % size();
  for (const std::size_t count : {std::size_t{1}, std::size_t{2000000}}) {
    Buffer<int> from(std::vector<int>(count, rank())), into(std::vector<int>(count, -1));
    const auto send = [&] { comm().send(from.data(), from.bytes(), next, 7); };
    const auto receive = [&] { comm().receive(into.data(), into.bytes(), before, 7); };
    if (rank() % 2 == 0) send(), receive();
    else receive(), send();
    EXPECT_EQ(into.read(), std::vector<int>(count, before));
  }
}

// A message passes while the receiver's sums are open and the sender has not begun its own.
TEST(SendReceive, BetweenOpenSums) {
  if (size() != 2) GTEST_SKIP() << "for two ranks";
  if (std::string(comm().backend()) == "nccl") GTEST_SKIP() << "NCCL runs a stream in its order";
  Buffer<float> sum(std::vector<float>(4000000, 1.0F));
  Buffer<int> message(std::vector<int>(500000, rank()));
  std::unique_ptr<Request> open;
  if (rank() == 0) open = comm().all_reduce_async(sum.data(), 4000000, CommType::f32);
  if (rank() == 0) comm().receive(message.data(), message.bytes(), 1, 0);
  else comm().send(message.data(), message.bytes(), 0, 0);
  if (rank() == 1) open = comm().all_reduce_async(sum.data(), 4000000, CommType::f32);
  open->wait();
  EXPECT_EQ(message.read().back(), 1);
  EXPECT_EQ(sum.read().back(), 2.0F);
}

TEST(Barrier, NobodyPassesBeforeTheLast) {
  for (int late = 0; late < size(); ++late) {
    comm().barrier();
    if (rank() == late) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    // One machine's ranks read one clock.
    Buffer<Clock::time_point> came({Clock::now()});
    comm().barrier();
    const auto passed = Clock::now();
    Buffer<Clock::time_point> all(std::vector<Clock::time_point>(static_cast<std::size_t>(size())));
    comm().all_gather(came.data(), came.bytes(), all.data());
    const auto times = all.read();
    EXPECT_GE(passed, *std::max_element(times.begin(), times.end())) << "rank " << late << " was late";
  }
}

}  // namespace
}  // namespace thaw
