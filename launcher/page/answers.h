// What is answered to a request, without any socket: who may ask, what there is, and the headers that keep a browser from
// doing more with it than showing it.
#pragma once

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <string>
#include <vector>

#include "framework/base/clock.h"
#include "launcher/page/run_view.h"
#include "launcher/page/server.h"

namespace thaw {

using Request = boost::beast::http::request<boost::beast::http::empty_body>;
using Response = boost::beast::http::response<boost::beast::http::string_body>;

Response plain_answer(boost::beast::http::status status, const std::string& text);

class Answers {
 public:
  explicit Answers(const PageOptions& options);  // which must outlive it
  void allow(std::vector<std::string> names) { names_ = std::move(names); }
  Response to(const Request& request);

 private:
  enum class Entry { granted, no_token, wrong_token };
  Entry entry_of(const Request& request) const;
  Response page() const;
  Response run(const Request& request);
  void look();  // makes the view anew where it is older than look_s

  const PageOptions& options_;
  std::vector<std::string> names_;
  std::string cookie_;  // its name: a browser has one for all ports of a machine
  RunView view_;
  Json seen_;
  std::string body_, tag_;
  Clock::time_point looked_;
  bool looked_once_ = false;
};

}  // namespace thaw
