#include "launcher/page/answers.h"

#include <boost/beast/http/field.hpp>

#include "framework/base/error.h"
#include "framework/base/hash.h"
#include "framework/base/secret.h"
#include "launcher/page/access.h"
#include "launcher/page/prometheus.h"

namespace thaw {

namespace http = boost::beast::http;

namespace {

std::string_view view_of(boost::beast::string_view text) { return {text.data(), text.size()}; }

Response make_answer(http::status status, const char* type, std::string body) {
  Response response{status, 11};
  response.set(http::field::content_type, type);
  response.set(http::field::cache_control, "no-cache, private");
  response.set("X-Content-Type-Options", "nosniff");
  response.set("Referrer-Policy", "no-referrer");
  response.set("Cross-Origin-Resource-Policy", "same-origin");
  response.set("Cross-Origin-Opener-Policy", "same-origin");
  response.set("X-Frame-Options", "DENY");
  response.set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'");
  response.body() = std::move(body);
  response.prepare_payload();
  return response;
}

// "Bearer abc" → "abc"
std::string_view bearer(std::string_view authorization) {
  constexpr std::string_view scheme = "Bearer ";
  return authorization.starts_with(scheme) ? authorization.substr(scheme.size()) : "";
}

}  // namespace

Response plain_answer(http::status status, const std::string& text) {
  return make_answer(status, "text/plain; charset=utf-8", text + "\n");
}

Answers::Answers(const PageOptions& options)
    : options_(options), cookie_("thaw-" + hash_hex("cookie of " + options.token).substr(0, 8)), view_(options.run) {}

Answers::Entry Answers::entry_of(const Request& request) const {
  bool any = false;
  for (const std::string_view found :
       {query_value(view_of(request.target()), "token"), cookie_value(view_of(request[http::field::cookie]), cookie_),
        bearer(view_of(request[http::field::authorization]))}) {
    if (same_secret(found, options_.token)) return Entry::granted;
    any = any || !found.empty();
  }
  return any ? Entry::wrong_token : Entry::no_token;
}

Response Answers::to(const Request& request) {
  if (request.method() != http::verb::get && request.method() != http::verb::head) {
    Response response = plain_answer(http::status::method_not_allowed, "only GET and HEAD are answered here");
    response.set(http::field::allow, "GET, HEAD");
    return response;
  }
  if (!known_host(view_of(request[http::field::host]), names_))
    return plain_answer(http::status::forbidden,
                        "this machine is not known by that name here: ask by its address, as localhost, or by its host name");
  const Entry entry = entry_of(request);
  if (entry == Entry::no_token) {
    Response response =
        plain_answer(http::status::unauthorized, "a token is needed: open the address that thaw printed, with its ?token=…");
    response.set(http::field::www_authenticate, "Bearer");
    return response;
  }
  if (entry == Entry::wrong_token)
    return plain_answer(http::status::forbidden,
                        "this is not the token: open the address that thaw printed, which changes with every start");
  const std::string_view target = view_of(request.target());
  const std::string_view path = target.substr(0, target.find('?'));
  if (path == "/") return page();
  if (path == "/api/run") return run(request);
  if (path == "/metrics") {
    look();
    return make_answer(http::status::ok, prometheus_content_type, prometheus_text(seen_));
  }
  return plain_answer(http::status::not_found, "here are /, /api/run and /metrics");
}

// Script and style carry a number that changes with every answer: whatever else got into the page would not be run.
Response Answers::page() const {
  const std::string nonce = random_token();
  std::string html(page_html());
  constexpr std::string_view placeholder = "NONCE";
  for (std::size_t at = html.find(placeholder); at != std::string::npos; at = html.find(placeholder, at))
    html.replace(at, placeholder.size(), nonce);
  Response response = make_answer(http::status::ok, "text/html; charset=utf-8", std::move(html));
  response.set("Content-Security-Policy",
               "default-src 'none'; script-src 'nonce-" + nonce + "'; style-src 'nonce-" + nonce +
                   "'; img-src data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'");
  response.set(http::field::cache_control, "no-store");
  response.set(http::field::set_cookie, cookie_ + "=" + options_.token + "; HttpOnly; SameSite=Strict; Path=/");
  return response;
}

Response Answers::run(const Request& request) {
  look();
  if (view_of(request[http::field::if_none_match]) == tag_) {
    Response response = make_answer(http::status::not_modified, "application/json", "");
    response.erase(http::field::content_length);
    response.set(http::field::etag, tag_);
    return response;
  }
  Response response = make_answer(http::status::ok, "application/json", body_);
  response.set(http::field::etag, tag_);
  return response;
}

void Answers::look() {
  // A long log that is still being read is not waited for: who asks gets what is there.
  if (looked_once_ && seconds_since(looked_) < options_.limits.look_s && seen_.value("complete", true)) return;
  seen_ = view_.read();
  if (options_.live) seen_["live"] = options_.live();
  body_ = seen_.dump(-1, ' ', false, Json::error_handler_t::replace);
  tag_ = "\"" + hash_hex(body_) + "\"";
  looked_ = Clock::now();
  looked_once_ = true;
}

}  // namespace thaw
