// Frames over a socket, for coroutines of Boost.Asio. What goes wrong is thrown: boost::system::system_error where the
// connection ends, DataError where the other side does not keep to frames.
// (Arguments of a co_await are named variables here and where these are called: GCC 12 destroys some temporaries there twice.)
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <string>

#include "launcher/supervisor/messages.h"

namespace thaw {

namespace asio = boost::asio;
using asio::ip::tcp;

inline asio::awaitable<std::string> read_frame(tcp::socket& socket) {
  unsigned char header[4];
  co_await asio::async_read(socket, asio::buffer(header), asio::use_awaitable);
  std::string content(frame_length(header), '\0');
  co_await asio::async_read(socket, asio::buffer(content), asio::use_awaitable);
  co_return content;
}

inline asio::awaitable<void> write_frame(tcp::socket& socket, const std::string& content) {
  const std::string bytes = frame(content);
  co_await asio::async_write(socket, asio::buffer(bytes), asio::use_awaitable);
}

}  // namespace thaw
