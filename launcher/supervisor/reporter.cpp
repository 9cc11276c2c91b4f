#include "launcher/supervisor/reporter.h"

#include <unistd.h>

#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>

#include "framework/base/clock.h"
#include "framework/base/error.h"
#include "framework/base/network.h"
#include "framework/base/process.h"
#include "framework/base/signals.h"
#include "launcher/supervisor/frames.h"

namespace thaw {
namespace {

constexpr std::chrono::milliseconds between_pulses(1000), between_tries(300), connect_limit(2000);
constexpr double patience_s = 30;   // for the first connection
constexpr double second_try_s = 3;  // for a connection that broke
constexpr double cut_off_s = 30;    // without a word from the supervisor, and as long in a collective

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t all = 0, resident = 0;
  statm >> all >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

// Everything here but `say_last` and `stop` runs on the reporter's thread.
class Reporter::Talk {
 public:
  Talk(Reporter& reporter, const std::string& addresses, Hello hello)
      : reporter_(reporter), addresses_(split(addresses, ',')), hello_(std::move(hello)), pause_(io_) {}

  void run() {
    asio::co_spawn(io_, all(), asio::detached);
    io_.run();
  }
  void stop() { io_.stop(); }

  std::future<void> say_last(LastWords words) {
    auto sent = std::make_shared<std::promise<void>>();
    std::future<void> future = sent->get_future();
    asio::post(io_, [this, sent, words = std::move(words)] {
      last_words_ = words;
      sent_ = sent;
      pause_.cancel();
    });
    return future;
  }

 private:
  using Socket = std::shared_ptr<tcp::socket>;

  asio::awaitable<void> all() {
    auto since = Clock::now();
    double patience = patience_s;
    while (!last_words_ && seconds_since(since) < patience) {
      if (const Socket socket = co_await connect()) {
        heard_ = Clock::now();
        asio::co_spawn(io_, listen(socket), asio::detached);
        co_await pulse(*socket);
        since = Clock::now();
        patience = second_try_s;
      }
      co_await sleep(between_tries);
    }
    if (sent_) sent_->set_value();
    else reporter_.left_alone();
  }

  asio::awaitable<void> sleep(std::chrono::milliseconds duration) {
    pause_.expires_after(duration);
    boost::system::error_code woken;
    if (!last_words_) co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }

  asio::awaitable<Socket> connect() {
    for (const std::string& address : addresses_) {
      const std::size_t colon = address.rfind(':');
      if (colon == std::string::npos) continue;
      boost::system::error_code error;
      const tcp::endpoint place(asio::ip::make_address(address.substr(0, colon), error),
                                static_cast<unsigned short>(std::strtoul(address.c_str() + colon + 1, nullptr, 10)));
      if (error) continue;
      const auto socket = std::make_shared<tcp::socket>(io_);
      asio::steady_timer limit(io_, connect_limit);
      const auto connected = std::make_shared<bool>(false);
      limit.async_wait([socket, connected](const boost::system::error_code&) {
        boost::system::error_code ignored;
        if (!*connected) socket->close(ignored);
      });
      co_await socket->async_connect(place, asio::redirect_error(asio::use_awaitable, error));
      *connected = true;
      limit.cancel();
      if (error) continue;
      socket->set_option(tcp::no_delay(true), error);
      co_return socket;
    }
    co_return nullptr;
  }

  Pulse look() {
    Pulse pulse;
    const std::lock_guard lock(reporter_.mutex_);
    if (reporter_.duties_.look) pulse = reporter_.duties_.look();
    pulse.memory_bytes = resident_bytes();
    pulse.process = look_at_process(::getpid()).state;
    return pulse;
  }

  // Until the connection ends, or the last words are said.
  asio::awaitable<void> pulse(tcp::socket& socket) {
    try {
      const std::string hello = write_message(hello_);
      co_await write_frame(socket, hello);
      while (!last_words_ && socket.is_open()) {
        const Pulse now = look();
        const std::string text = write_message(now);
        co_await write_frame(socket, text);
        if (seconds_since(heard_) > cut_off_s && now.since_s > cut_off_s) cut_off(now);
        co_await sleep(between_pulses);
      }
      if (last_words_) {
        const std::string text = write_message(*last_words_);
        co_await write_frame(socket, text);
      }
    } catch (const std::exception&) {
      // the connection has ended
    }
    boost::system::error_code ignored;
    socket.close(ignored);
  }

  asio::awaitable<void> listen(Socket socket) {
    try {
      while (true) {
        const std::string text = co_await read_frame(*socket);
        const Orders orders = read_orders(text);
        heard_ = Clock::now();
        const std::lock_guard lock(reporter_.mutex_);
        if (orders.stop_signal > 0 && reporter_.duties_.stop) reporter_.duties_.stop(orders.stop_signal);
      }
    } catch (const std::exception&) {
      boost::system::error_code ignored;
      socket->close(ignored);
      pause_.cancel();
    }
  }

  void cut_off(const Pulse& now) {
    const std::lock_guard lock(reporter_.mutex_);
    if (reporter_.duties_.cut_off)
      reporter_.duties_.cut_off(
          fmt::format("cut off: nothing was heard of the supervisor for {:.0f} s, and this rank waits in {} number {} since {:.0f} s",
                      seconds_since(heard_), now.collective, now.collectives, now.since_s));
  }

  Reporter& reporter_;
  std::vector<std::string> addresses_;
  Hello hello_;
  asio::io_context io_{1};
  asio::steady_timer pause_;
  Clock::time_point heard_{};
  std::optional<LastWords> last_words_;
  std::shared_ptr<std::promise<void>> sent_;
};

std::unique_ptr<Reporter> Reporter::of_environment(const LaunchedWorld& world) {
  const std::string addresses = environment(SupervisorPlace::addresses_key);
  if (addresses.empty()) return nullptr;
  Hello hello;
  hello.token = environment(SupervisorPlace::token_key);
  hello.host = host_name();
  hello.rank = world.rank;
  hello.size = world.size;
  hello.attempt = static_cast<int>(std::strtol(environment(SupervisorPlace::attempt_key).c_str(), nullptr, 10));
  hello.pid = ::getpid();
  return std::unique_ptr<Reporter>(new Reporter(addresses, std::move(hello)));
}

Reporter::Reporter(std::string addresses, Hello hello) : talk_(std::make_unique<Talk>(*this, std::move(addresses), std::move(hello))) {
  const SignalsBlocked blocked;
  thread_ = std::jthread([this] { talk_->run(); });
}

Reporter::~Reporter() { talk_->stop(); }

std::unique_ptr<Reporter::Following> Reporter::follow(Duties duties) {
  take(std::move(duties));
  return std::make_unique<Following>(*this);
}

void Reporter::take(Duties duties) {
  const std::lock_guard lock(mutex_);
  duties_ = std::move(duties);
  if (alone_ && duties_.alone) duties_.alone();
}

void Reporter::left_alone() {
  const std::lock_guard lock(mutex_);
  alone_ = true;
  if (duties_.alone) duties_.alone();
}

void Reporter::last_words(int exit_code, const std::string& message) {
  talk_->say_last({exit_code, message}).wait_for(std::chrono::seconds(2));
}

}  // namespace thaw
