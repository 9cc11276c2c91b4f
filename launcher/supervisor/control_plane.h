// The supervisor's side of the talk with its ranks: who may come in, and what they say. It listens on TCP; a connection that
// does not say Hello with the token within seconds, sends no frames, or sends too many, is ended and named once in `refused`.
// Ranks come and go through the handlers, all on the thread that runs the io_context.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "launcher/supervisor/messages.h"

namespace thaw {

class ControlPlane {
 public:
  struct Limits {
    std::size_t strangers = 256;  // connections that have not said Hello, beside one for each rank that is awaited
    double hello_s = 5;           // for saying it
    double frames_per_s = 20;     // of one rank, on average
  };
  struct Handlers {
    std::function<void(const Hello&)> came;
    std::function<void(int rank, const Pulse&)> pulse;
    std::function<void(int rank, const LastWords&)> last_words;
    std::function<void(int rank)> gone;               // its connection has ended, whether or not it said its last words
    std::function<void(const std::string&)> refused;  // once for each address and reason
  };

  // Listens on a free port: of all interfaces, or of loopback alone. FileError (74) where it cannot.
  ControlPlane(boost::asio::io_context& io, bool this_host_alone, std::string token, Handlers handlers, Limits limits);
  ControlPlane(boost::asio::io_context& io, bool this_host_alone, std::string token, Handlers handlers)
      : ControlPlane(io, this_host_alone, std::move(token), std::move(handlers), Limits()) {}
  ~ControlPlane();

  // "10.0.0.1:4711,192.168.0.1:4711": where ranks reach it, for SupervisorPlace::addresses_key.
  std::string addresses() const;
  void expect(int attempt, int ranks);  // those of other attempts are refused from now on, and their connections ended
  void give(const Orders& orders);      // to every rank that has come; one that does not read gets no second one meanwhile

 private:
  struct Session;
  using Held = std::shared_ptr<Session>;
  boost::asio::awaitable<void> accept();
  boost::asio::awaitable<void> serve(Held session);
  static boost::asio::awaitable<std::string> first_frame(boost::asio::ip::tcp::socket& socket);
  Hello hello_of(const std::string& content) const;
  void welcome(const Held& session, const Hello& hello);
  void refuse(const Session& session, const std::string& reason);

  boost::asio::io_context& io_;
  std::string token_;
  Handlers handlers_;
  Limits limits_;
  bool this_host_alone_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::unordered_set<Held> sessions_;
  std::map<int, Held> ranks_;
  std::size_t strangers_ = 0;
  int attempt_ = 0, expected_ = 0;
  std::map<std::string, std::uint64_t> refusals_;
};

}  // namespace thaw
