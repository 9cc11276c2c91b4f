#include "launcher/supervisor/control_plane.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <chrono>
#include <optional>

#include "framework/base/clock.h"
#include "framework/base/error.h"
#include "framework/base/network.h"
#include "framework/base/secret.h"
#include "launcher/supervisor/frames.h"

namespace thaw {
namespace {

constexpr std::size_t most_refusals = 256;  // that are told apart: whoever knocks from ever new addresses fills no memory

}  // namespace

struct ControlPlane::Session {
  Session(tcp::socket connected, asio::io_context& io) : socket(std::move(connected)), deadline(io) {
    boost::system::error_code error;
    address = socket.remote_endpoint(error).address().to_string();
  }
  tcp::socket socket;
  asio::steady_timer deadline;  // for the Hello
  std::string address;
  int rank = -1;  // a stranger
  bool writing = false;
  Clock::time_point refilled = Clock::now();
  double frames_left = 0;
};

ControlPlane::ControlPlane(asio::io_context& io, bool this_host_alone, std::string token, Handlers handlers, Limits limits)
    : io_(io), token_(std::move(token)), handlers_(std::move(handlers)), limits_(limits), this_host_alone_(this_host_alone), acceptor_(io) {
  try {
    acceptor_ = tcp::acceptor(io, {this_host_alone ? asio::ip::address_v4::loopback() : asio::ip::address_v4::any(), 0});
    acceptor_.listen(4096);
  } catch (const boost::system::system_error& error) {
    throw FileError("the supervisor cannot listen for its ranks: {}", error.code().message());
  }
  asio::co_spawn(io_, accept(), asio::detached);
}

ControlPlane::~ControlPlane() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  for (const Held& session : sessions_) session->socket.close(ignored);
}

std::string ControlPlane::addresses() const {
  std::vector<std::string> all = this_host_alone_ ? std::vector<std::string>{} : host_addresses();
  if (all.empty()) all.emplace_back("127.0.0.1");
  std::string text;
  for (const std::string& address : all)
    text += fmt::format("{}{}:{}", text.empty() ? "" : ",", address, acceptor_.local_endpoint().port());
  return text;
}

void ControlPlane::expect(int attempt, int ranks) {
  attempt_ = attempt;
  expected_ = ranks;
  boost::system::error_code ignored;
  for (const auto& [rank, session] : std::exchange(ranks_, {})) session->socket.close(ignored);
}

void ControlPlane::give(const Orders& orders) {
  const auto bytes = std::make_shared<const std::string>(frame(write_orders(orders)));
  for (const auto& [rank, session] : ranks_) {
    if (session->writing) continue;
    session->writing = true;
    asio::async_write(session->socket, asio::buffer(*bytes),
                      [session = session, bytes](const boost::system::error_code&, std::size_t) { session->writing = false; });
  }
}

asio::awaitable<void> ControlPlane::accept() {
  while (acceptor_.is_open()) {
    boost::system::error_code error;
    tcp::socket socket = co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {  // out of file descriptors, say: they come back as connections end
      asio::steady_timer pause(io_, std::chrono::milliseconds(100));
      co_await pause.async_wait(asio::use_awaitable);
      continue;
    }
    const Held session = std::make_shared<Session>(std::move(socket), io_);
    if (strangers_ >= limits_.strangers + static_cast<std::size_t>(expected_)) {
      refuse(*session, "too many connections at once");
      continue;
    }
    asio::co_spawn(io_, serve(session), asio::detached);
  }
}

asio::awaitable<void> ControlPlane::serve(Held session) {
  sessions_.insert(session);
  ++strangers_;
  session->deadline.expires_after(std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(limits_.hello_s)));
  session->deadline.async_wait([session](const boost::system::error_code&) {
    boost::system::error_code ignored;
    if (session->rank < 0) session->socket.close(ignored);
  });
  try {
    const std::string first = co_await first_frame(session->socket);
    welcome(session, hello_of(first));
    --strangers_;
    session->frames_left = 2 * limits_.frames_per_s;
    while (true) {
      const std::string content = co_await read_frame(session->socket);
      const RankMessage message = read_message(content);
      session->frames_left += limits_.frames_per_s * seconds_since(std::exchange(session->refilled, Clock::now()));
      session->frames_left = std::min(session->frames_left, 2 * limits_.frames_per_s) - 1;
      if (session->frames_left < 0) throw DataError("sends more than {} frames a second", limits_.frames_per_s);
      if (const auto* pulse = std::get_if<Pulse>(&message)) handlers_.pulse(session->rank, *pulse);
      else if (const auto* last = std::get_if<LastWords>(&message)) handlers_.last_words(session->rank, *last);
    }
  } catch (const DataError& error) {
    refuse(*session, error.what());
  } catch (const boost::system::system_error&) {
    // The connection has ended. Of a stranger nobody is told: port scanners come and go.
  }
  boost::system::error_code ignored;
  session->socket.close(ignored);
  sessions_.erase(session);
  if (session->rank < 0) {
    --strangers_;
    session->deadline.cancel();
  } else if (const auto held = ranks_.find(session->rank); held != ranks_.end() && held->second == session) {
    ranks_.erase(held);
    handlers_.gone(session->rank);
  }
}

// What a stranger sends instead of a hello is not repeated: its reasons would be as many as its bytes.
asio::awaitable<std::string> ControlPlane::first_frame(tcp::socket& socket) {
  try {
    co_return co_await read_frame(socket);
  } catch (const DataError&) {
    throw DataError("it sent no hello");
  }
}

Hello ControlPlane::hello_of(const std::string& content) const {
  std::optional<Hello> hello;
  try {
    hello = std::get<Hello>(read_message(content));
  } catch (const std::exception&) {
    throw DataError("it sent no hello");
  }
  if (!same_secret(hello->token, token_)) throw DataError("its token is wrong");
  if (hello->attempt != attempt_ || hello->size != expected_) throw DataError("it is of another attempt");
  return *hello;
}

// A rank whose connection broke may come again; the newer connection counts.
void ControlPlane::welcome(const Held& session, const Hello& hello) {
  session->rank = hello.rank;
  session->deadline.cancel();
  boost::system::error_code ignored;
  session->socket.set_option(tcp::no_delay(true), ignored);
  if (const Held before = std::exchange(ranks_[hello.rank], session)) before->socket.close(ignored);
  handlers_.came(hello);
}

void ControlPlane::refuse(const Session& session, const std::string& reason) {
  const std::string text = fmt::format(
      "{} was refused: {}", session.rank < 0 ? "a connection from " + session.address : fmt::format("rank {}", session.rank), reason);
  if (refusals_.size() >= most_refusals && !refusals_.contains(text)) return;
  if (refusals_[text]++ == 0) handlers_.refused(text);
}

}  // namespace thaw
