// The live page of a run over HTTP/1.1: `/` (the page), `/api/run` (run_view.h as JSON, with an ETag), `/metrics` (Prometheus).
// Only GET and HEAD, only with the token, only by a name of this machine (access.h). Requests are bounded in size and time,
// connections in number: past the bound the one that has been idle longest makes room, and a reader that is too slow is dropped.
// All runs in the io_context given, which one thread runs; it must not outlive what `live` refers to.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "framework/base/json.h"

namespace thaw {

struct PageLimits {
  std::size_t connections = 64;
  std::size_t header_bytes = 8192;
  double request_s = 10;   // for a request to arrive, from its connection's beginning or the answer before
  double response_s = 20;  // for an answer to be taken
  double look_s = 0.5;     // the view is made anew at most that often, however many look
};

struct PageOptions {
  std::filesystem::path run;
  std::string address = "127.0.0.1";    // of this machine; 0.0.0.0 and :: for all
  std::uint16_t port = 0;               // 0: any free one
  std::string token = {};               // empty: a random one
  std::function<Json()> live = {};      // what a supervisor knows, under "live"; none: without a supervisor
  std::vector<std::string> names = {};  // more names by which this machine may be asked, besides its host name and its addresses
  PageLimits limits = {};
};

class PageServer {
 public:
  // Listens from now on. UsageError (64) where the address is none of this machine's or the port is taken.
  PageServer(boost::asio::io_context& context, PageOptions options);
  PageServer(const PageServer&) = delete;
  PageServer& operator=(const PageServer&) = delete;
  ~PageServer();  // closes

  void close();  // all connections and the port; within the thread that runs the io_context
  std::uint16_t port() const;
  std::string url() const;  // with the token
  std::size_t connections() const;

 private:
  class Site;
  std::shared_ptr<Site> site_;
};

// The page's own text, with NONCE where a response puts its own.
std::string_view page_html();

}  // namespace thaw
