// Stands in for mpirun and so many ranks: `many_ranks -n 4096 …` opens a connection for each to the supervisor that started it,
// sends pulses as a rank does for MANY_RANKS_SECONDS, and ends well. For measuring what the supervisor costs.
#include <utility>

#include <sys/resource.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "framework/base/clock.h"
#include "launcher/supervisor/frames.h"
#include "launcher/supervisor/reporter.h"

namespace {

using namespace thaw;

asio::awaitable<void> rank(asio::io_context& io, int number, int size, double seconds) {
  const std::string address = std::string(std::getenv(SupervisorPlace::addresses_key));
  tcp::socket socket(io);
  const auto port = static_cast<unsigned short>(std::atoi(address.c_str() + address.rfind(':') + 1));
  co_await socket.async_connect({asio::ip::make_address("127.0.0.1"), port}, asio::use_awaitable);
  Hello hello;
  hello.token = std::getenv(SupervisorPlace::token_key);
  hello.host = fmt::format("node{:03}", number / 8);
  hello.rank = number;
  hello.size = size;
  hello.attempt = std::atoi(std::getenv(SupervisorPlace::attempt_key));
  hello.pid = 1000 + number;
  std::string text = write_message(hello);
  co_await write_frame(socket, text);
  asio::steady_timer timer(io);
  const auto start = Clock::now();
  Pulse pulse;
  pulse.state = "training";
  while (seconds_since(start) < seconds) {
    ++pulse.step;
    pulse.collective = number % 3 == 0 ? "all_reduce" : "";
    pulse.collectives += 12;
    pulse.waited_s += 0.3;
    pulse.memory_bytes = 3'000'000'000;
    text = write_message(pulse);
    co_await write_frame(socket, text);
    timer.expires_after(std::chrono::milliseconds(1000));
    co_await timer.async_wait(asio::use_awaitable);
    boost::system::error_code none;
    char orders[4096];
    if (socket.available(none) > 0) co_await socket.async_read_some(asio::buffer(orders), asio::use_awaitable);
  }
  text = write_message(LastWords{});
  co_await write_frame(socket, text);
}

}  // namespace

int main(int argc, char** argv) {
  int ranks = 1;
  for (int i = 1; i + 1 < argc; ++i)
    if (std::strcmp(argv[i], "-n") == 0) ranks = std::atoi(argv[i + 1]);
  const char* const seconds = std::getenv("MANY_RANKS_SECONDS");
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  asio::io_context io(1);
  int failed = 0;
  for (int number = 0; number < ranks; ++number)
    asio::co_spawn(io, rank(io, number, ranks, seconds == nullptr ? 5 : std::atof(seconds)), [&](const std::exception_ptr& thrown) {
      if (!thrown) return;
      if (failed++ == 0) try {
          std::rethrow_exception(thrown);
        } catch (const std::exception& error) {
          std::fprintf(stderr, "many_ranks: %s\n", error.what());
        }
    });
  io.run();
  return failed == 0 ? 0 : 1;
}
