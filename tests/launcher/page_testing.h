// For tests of the live page: a run directory written by hand, and a page server in a thread with a client of bare sockets.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <thread>

#include "launcher/page/server.h"

namespace thaw::test {

// A run directory of its own, removed at the end.
class RunFolder {
 public:
  RunFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "thaw-page-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  RunFolder(const RunFolder&) = delete;
  ~RunFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }
  void write(const std::string& name, const std::string& text, std::ios::openmode mode = std::ios::trunc) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary | mode) << text;
  }
  void append(const std::string& name, const std::string& text) const { write(name, text, std::ios::app); }

 private:
  std::filesystem::path path_;
};

inline std::string step_line(std::int64_t step, double loss, std::int64_t epoch = 0, int phase = 1) {
  return Json{{"step", step},          {"epoch", epoch},    {"phase", phase}, {"loss", loss},  {"lr", 1e-3},
              {"grad_norm", 0.5},      {"rows", 32},        {"tokens", 800},  {"step_s", 0.1}, {"comm_wait_s", 0.002},
              {"comm_hidden_s", 0.05}, {"comm_bytes", 4096}}
             .dump() +
         "\n";
}

inline const char* const three_phases = R"(recipe: 1
task: text-classification
model: hub/some-model
output_dir: run
data: {train: train.tsv, eval: {dev: dev.tsv}}
evaluate: {metric: dev/accuracy}
thaw:
  phases:
    - {trainable: head, until: {epochs: 1}}
    - {trainable: [head, top 2], until: {epochs: 2, patience: 2}}
    - {trainable: all, until: {steps: 7}}
)";

class Served {
 public:
  explicit Served(PageOptions options) : server_(context_, std::move(options)), thread_([this] { context_.run(); }) {}
  ~Served() { close(); }
  // Ends within seconds or the test hangs into its time limit.
  void close() {
    if (!thread_.joinable()) return;
    boost::asio::post(context_, [this] { server_.close(); });
    thread_.join();
  }
  const PageServer& server() const { return server_; }
  std::string token() const { return server_.url().substr(server_.url().find("token=") + 6); }
  std::size_t connections() {
    std::promise<std::size_t> count;
    boost::asio::post(context_, [&] { count.set_value(server_.connections()); });
    return count.get_future().get();
  }

 private:
  boost::asio::io_context context_{1};
  PageServer server_;
  std::thread thread_;
};

// One connection. What it reads ends where the server closes.
class Client {
 public:
  explicit Client(const Served& served, int receive_bytes = 0) : socket_(context_) {
    socket_.open(boost::asio::ip::tcp::v4());
    if (receive_bytes > 0) socket_.set_option(boost::asio::socket_base::receive_buffer_size(receive_bytes));
    socket_.connect({boost::asio::ip::make_address("127.0.0.1"), served.server().port()});
    const timeval patience{10, 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  void send(const std::string& text) {
    boost::system::error_code ignored;
    boost::asio::write(socket_, boost::asio::buffer(text), ignored);
  }
  std::string rest() {
    std::string all;
    char part[65536];
    for (ssize_t got = 0; (got = ::read(socket_.native_handle(), part, sizeof part)) > 0;) all.append(part, static_cast<std::size_t>(got));
    return all;
  }

 private:
  boost::asio::io_context context_;
  boost::asio::ip::tcp::socket socket_;
};

struct Answer {
  int status = 0;
  std::string head, body;
  std::string field(const std::string& name) const {  // its value, or ""
    const std::size_t at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return "";
    const std::size_t from = at + name.size() + 4;
    return head.substr(from, head.find("\r\n", from) - from);
  }
};

inline Answer answer_of(const std::string& text) {
  const std::size_t end = text.find("\r\n\r\n");
  if (!text.starts_with("HTTP/1.1 ") || end == std::string::npos) return {};
  return {std::stoi(text.substr(9, 3)), text.substr(0, end + 2), text.substr(end + 4)};
}

// One request on a connection of its own; `fields` are whole lines.
inline Answer ask(const Served& served, const std::string& target, const std::string& fields = "", const std::string& method = "GET",
                  const std::string& host = "localhost") {
  Client client(served);
  client.send(fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{}\r\n", method, target, host, fields));
  return answer_of(client.rest());
}

}  // namespace thaw::test
