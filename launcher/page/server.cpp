#include "launcher/page/server.h"

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <exception>
#include <list>

#include "framework/base/clock.h"
#include "framework/base/error.h"
#include "framework/base/network.h"
#include "framework/base/secret.h"
#include "launcher/page/access.h"
#include "launcher/page/answers.h"

namespace thaw {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

std::chrono::nanoseconds duration_of(double seconds) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
}

// This machine's names: node7.cluster.example, and node7.
std::vector<std::string> host_names() {
  const std::string whole = host_name();
  return {whole, whole.substr(0, whole.find('.'))};
}

Response answer_to_bad_request(const error_code& error) {
  if (error == http::error::header_limit)
    return plain_answer(http::status::request_header_fields_too_large, "the request's header is too long");
  return plain_answer(http::status::bad_request, "this is no request that is understood here");
}

// The peer went away, or was too slow: nobody waits for an answer. Other errors are what it wrote.
bool is_of_peer(const error_code& error) {
  return error == http::error::end_of_stream || error == http::error::partial_message || error == beast::error::timeout ||
         (error && error.category() == asio::error::get_system_category());
}

}  // namespace

// What the acceptor and the connections share; each holds it while it lives.
class PageServer::Site : public std::enable_shared_from_this<Site> {
 public:
  Site(asio::io_context& context, PageOptions options)
      : options_(std::move(options)), acceptor_(context), retry_(context), answers_(options_) {
    listen();
    std::vector<std::string> names = host_names();
    names.insert(names.end(), options_.names.begin(), options_.names.end());
    answers_.allow(std::move(names));
  }

  // An exception (no memory left) ends what it struck, never the io_context, in which a supervisor may work.
  void start() { spawn(accept(shared_from_this())); }

  void close() {
    error_code ignored;
    acceptor_.close(ignored);
    retry_.cancel();
    for (Connection& connection : connections_) connection.stream.close();
  }

  tcp::endpoint endpoint() const { return endpoint_; }
  const std::string& token() const { return options_.token; }
  std::size_t connections() const { return connections_.size(); }

 private:
  struct Connection {
    explicit Connection(tcp::socket socket) : stream(std::move(socket)) {}
    beast::tcp_stream stream;
    bool waiting = true;  // for a request
    Clock::time_point since = Clock::now();
  };
  using Place = std::list<Connection>::iterator;

  void spawn(asio::awaitable<void> work) {
    asio::co_spawn(acceptor_.get_executor(), std::move(work), [](const std::exception_ptr&) {});
  }

  void listen() {
    const auto check = [&](const error_code& error, const char* remedy) {
      if (error) throw UsageError("cannot listen on {} port {}: {}; {}", options_.address, options_.port, error.message(), remedy);
    };
    error_code error;
    const asio::ip::address address = asio::ip::make_address(options_.address, error);
    check(error, "give an address of this machine, such as 127.0.0.1 or 0.0.0.0");
    const tcp::endpoint wanted(address, options_.port);
    acceptor_.open(wanted.protocol(), error);
    check(error, "give an address of this machine, such as 127.0.0.1");
    acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    acceptor_.bind(wanted, error);
    check(error, "choose another port (0: any free one), or an address of this machine");
    acceptor_.listen(asio::socket_base::max_listen_connections, error);
    check(error, "choose another port (0: any free one)");
    endpoint_ = acceptor_.local_endpoint();
  }

  // Whoever has waited longest for its client to ask something makes room; false where all are being answered.
  bool make_room() {
    if (connections_.size() < options_.limits.connections) return true;
    Place oldest = connections_.end();
    for (Place at = connections_.begin(); at != connections_.end(); ++at)
      if (at->waiting && at->stream.socket().is_open() && (oldest == connections_.end() || at->since < oldest->since)) oldest = at;
    if (oldest == connections_.end()) return false;
    oldest->stream.close();  // its coroutine then takes it off the list
    return true;
  }

  asio::awaitable<void> accept(std::shared_ptr<Site> self) {
    while (acceptor_.is_open()) {
      error_code error;
      tcp::socket socket(acceptor_.get_executor());
      co_await acceptor_.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
      if (!acceptor_.is_open()) break;  // also where one came in at that very moment
      if (error) {                      // no descriptors left, say: whoever ends a connection frees one
        retry_.expires_after(std::chrono::milliseconds(100));
        co_await retry_.async_wait(asio::redirect_error(asio::use_awaitable, error));
        continue;
      }
      if (!make_room()) continue;
      const Place place = connections_.emplace(connections_.end(), std::move(socket));
      spawn(serve(self, place));
    }
  }

  asio::awaitable<void> serve(std::shared_ptr<Site> self, Place place) {
    const auto forget = [self](Place* at) { self->connections_.erase(*at); };
    const std::unique_ptr<Place, decltype(forget)> leave(&place, forget);
    beast::tcp_stream& stream = place->stream;
    beast::flat_buffer buffer(2 * options_.limits.header_bytes);
    for (bool keep = true; keep;) {
      place->waiting = true;
      place->since = Clock::now();
      http::request_parser<http::empty_body> parser;
      parser.header_limit(static_cast<std::uint32_t>(options_.limits.header_bytes));
      stream.expires_after(duration_of(options_.limits.request_s));
      error_code error;
      co_await http::async_read_header(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
      if (is_of_peer(error)) co_return;
      if (!error && !parser.is_done()) error = http::error::unexpected_body;
      place->waiting = false;
      Response response = error ? answer_to_bad_request(error) : answer(parser.get());
      keep = !error && parser.get().keep_alive();
      response.keep_alive(keep);
      const bool head = !error && parser.get().method() == http::verb::head;
      if (!co_await send(stream, response, head)) co_return;
    }
    place->waiting = true;
    co_await part(stream);
  }

  // Reads for a moment what is still coming: a connection that is closed over unread bytes is reset, and the answer lost.
  asio::awaitable<void> part(beast::tcp_stream& stream) {
    error_code error;
    stream.socket().shutdown(tcp::socket::shutdown_send, error);
    stream.expires_after(std::chrono::seconds(1));
    std::array<char, 4096> unread{};
    while (!error) co_await stream.async_read_some(asio::buffer(unread), asio::redirect_error(asio::use_awaitable, error));
  }

  Response answer(const Request& request) {
    try {
      return answers_.to(request);
    } catch (const std::exception& exception) {  // a look that failed is not the end of a supervisor
      return plain_answer(http::status::internal_server_error, as_error(exception).what());
    }
  }

  // Whether the client took it in time.
  asio::awaitable<bool> send(beast::tcp_stream& stream, Response& response, bool head) {
    stream.expires_after(duration_of(options_.limits.response_s));
    error_code error;
    http::response_serializer<http::string_body> serializer(response);
    if (head) co_await http::async_write_header(stream, serializer, asio::redirect_error(asio::use_awaitable, error));
    else co_await http::async_write(stream, serializer, asio::redirect_error(asio::use_awaitable, error));
    co_return !error;
  }

  PageOptions options_;
  tcp::acceptor acceptor_;
  tcp::endpoint endpoint_;
  asio::steady_timer retry_;
  Answers answers_;
  std::list<Connection> connections_;
};

PageServer::PageServer(asio::io_context& context, PageOptions options) {
  if (options.token.empty()) options.token = random_token();
  site_ = std::make_shared<Site>(context, std::move(options));
  site_->start();
}

PageServer::~PageServer() { close(); }

void PageServer::close() { site_->close(); }

std::uint16_t PageServer::port() const { return site_->endpoint().port(); }

std::size_t PageServer::connections() const { return site_->connections(); }

std::string PageServer::url() const {
  const asio::ip::address address = site_->endpoint().address();
  const std::string host = address.is_unspecified() ? host_names().front()
                           : address.is_v6()        ? "[" + address.to_string() + "]"
                                                    : address.to_string();
  return fmt::format("http://{}:{}/?token={}", host, port(), site_->token());
}

}  // namespace thaw
