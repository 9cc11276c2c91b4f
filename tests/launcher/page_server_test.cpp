// The live page's server over real sockets. What would be lost: a run that strangers can look at, and a supervisor that a
// browser, a scanner or a dead client brings down.
#include <gtest/gtest.h>

#include <atomic>
#include <regex>
#include <set>

#include "framework/base/error.h"
#include "framework/base/secret.h"
#include "launcher/page/access.h"
#include "tests/launcher/page_testing.h"
#include "tests/launcher/program.h"

namespace thaw::test {
namespace {

class PageServerTest : public ::testing::Test {
 protected:
  PageServerTest() {
    folder.write("recipe.yaml", three_phases);
    folder.write("log.jsonl", step_line(1, 0.7) + step_line(2, 0.6));
  }
  PageOptions options() const {
    PageOptions chosen;
    chosen.run = folder.path();
    chosen.limits.look_s = 0;
    return chosen;
  }
  static std::string bearer(const Served& served) { return "Authorization: Bearer " + served.token() + "\r\n"; }

  const RunFolder folder;
};

TEST_F(PageServerTest, ATokenIsNeeded) {
  const Served served(options());
  for (const char* const target : {"/", "/api/run", "/metrics", "/nothing"}) {
    EXPECT_EQ(ask(served, target).status, 401) << target;
    EXPECT_EQ(ask(served, std::string(target) + "?token=" + std::string(32, '0')).status, 403) << target;
    EXPECT_EQ(ask(served, std::string(target) + "?token=" + served.token().substr(0, 31)).status, 403) << target;
    EXPECT_EQ(ask(served, target, "Authorization: Bearer x\r\n").status, 403) << target;
  }
  EXPECT_EQ(ask(served, "/api/run", bearer(served)).status, 200);
  EXPECT_EQ(ask(served, "/api/run?token=" + served.token()).status, 200);
  EXPECT_EQ(ask(served, "/nothing", bearer(served)).status, 404);

  const std::string cookie = ask(served, "/?theme=dark&token=" + served.token()).field("Set-Cookie");
  EXPECT_NE(cookie.find("; HttpOnly"), std::string::npos) << cookie;
  EXPECT_NE(cookie.find("; SameSite=Strict"), std::string::npos) << cookie;
  EXPECT_EQ(ask(served, "/api/run", "Cookie: other=1; " + cookie.substr(0, cookie.find(';')) + "\r\n").status, 200);
  EXPECT_EQ(ask(served, "/api/run", "Cookie: " + cookie.substr(0, cookie.find('=')) + "=0\r\n").status, 403);
}

TEST_F(PageServerTest, TokensAreLongAndNeverTheSame) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(random_token());
  EXPECT_EQ(seen.size(), 100u);
  EXPECT_EQ(seen.begin()->size(), 32u);
  EXPECT_FALSE(same_secret("", ""));
}

TEST_F(PageServerTest, NamesThatAreNotThisMachinesAreRefused) {
  PageOptions chosen = options();
  chosen.names = {"login.cluster.example"};
  const Served served(chosen);
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  for (const std::string& host : {std::string("localhost:8080"), std::string("127.0.0.1"), std::string("[::1]:80"), std::string("10.1.2.3"),
                                  std::string("LOGIN.cluster.example:1"), std::string(name)})
    EXPECT_EQ(ask(served, "/api/run", bearer(served), "GET", host).status, 200) << host;
  for (const char* const host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[", "["})
    EXPECT_EQ(ask(served, "/api/run", bearer(served), "GET", host).status, 403) << host;
}

TEST_F(PageServerTest, OnlyGetAndHead) {
  const Served served(options());
  for (const char* const method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW"}) {
    const Answer answer = ask(served, "/api/run", bearer(served), method);
    EXPECT_EQ(answer.status, 405) << method;
    EXPECT_EQ(answer.field("Allow"), "GET, HEAD") << method;
  }
  const Answer whole = ask(served, "/api/run", bearer(served)), head = ask(served, "/api/run", bearer(served), "HEAD");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.body, "");
  EXPECT_EQ(head.field("Content-Length"), std::to_string(whole.body.size()));
  EXPECT_EQ(ask(served, "/api/run", bearer(served) + "Content-Length: 3\r\n").status, 400);
}

TEST_F(PageServerTest, TheBrowserIsToldToRunNothingElse) {
  const Served served(options());
  const Answer first = ask(served, "/", bearer(served)), second = ask(served, "/", bearer(served));
  std::smatch nonce, next;
  const std::string policy = first.field("Content-Security-Policy"), later = second.field("Content-Security-Policy");
  ASSERT_TRUE(std::regex_search(policy, nonce, std::regex("script-src 'nonce-([0-9a-f]{32})'"))) << policy;
  ASSERT_TRUE(std::regex_search(later, next, std::regex("script-src 'nonce-([0-9a-f]{32})'")));
  EXPECT_NE(nonce[1], next[1]);
  EXPECT_TRUE(policy.starts_with("default-src 'none'; ")) << policy;
  EXPECT_EQ(policy.find("unsafe"), std::string::npos) << policy;
  EXPECT_NE(first.body.find("<script nonce=\"" + nonce[1].str() + "\">"), std::string::npos);
  EXPECT_EQ(first.body.find("NONCE"), std::string::npos);
  EXPECT_EQ(first.body.find("@embed"), std::string::npos);
  EXPECT_EQ(first.body.find("innerHTML"), std::string::npos);
  for (const char* const target : {"/", "/api/run", "/metrics", "/nothing"}) {
    const Answer answer = ask(served, target, bearer(served));
    EXPECT_EQ(answer.field("X-Content-Type-Options"), "nosniff") << target;
    EXPECT_EQ(answer.field("Referrer-Policy"), "no-referrer") << target;
    EXPECT_TRUE(answer.field("Content-Security-Policy").starts_with("default-src 'none'")) << target;
  }
  // No outside resources: the one address in it names SVG.
  for (std::size_t at = first.body.find("://"); at != std::string::npos; at = first.body.find("://", at + 1))
    EXPECT_EQ(first.body.substr(at + 3, 10), "www.w3.org") << first.body.substr(at - 20, 60);
}

TEST_F(PageServerTest, APollThatBringsNothingNewIsCheap) {
  const Served served(options());
  const Answer first = ask(served, "/api/run", bearer(served));
  const std::string known = bearer(served) + "If-None-Match: " + first.field("ETag") + "\r\n";
  EXPECT_EQ(Json::parse(first.body)["step"], 2);
  const Answer same = ask(served, "/api/run", known);
  EXPECT_EQ(same.status, 304);
  EXPECT_EQ(same.body, "");
  folder.append("log.jsonl", step_line(3, 0.5));
  const Answer more = ask(served, "/api/run", known);
  EXPECT_EQ(more.status, 200);
  EXPECT_EQ(Json::parse(more.body)["step"], 3);
}

TEST_F(PageServerTest, WhatASupervisorKnowsIsMergedIn) {
  PageOptions chosen = options();
  int looks = 0;
  chosen.live = [&]() -> Json {
    if (++looks == 2) throw std::runtime_error("not now");
    return {{"attempt", 2}, {"ranks", Json::array()}, {"log", {"bytes that are no UTF-8: \xff"}}};
  };
  const Served served(chosen);
  EXPECT_EQ(Json::parse(ask(served, "/api/run", bearer(served)).body)["live"]["attempt"], 2);
  EXPECT_EQ(ask(served, "/api/run", bearer(served)).status, 500);  // and the server goes on
  EXPECT_EQ(Json::parse(ask(served, "/api/run", bearer(served)).body)["live"]["attempt"], 2);
}

TEST_F(PageServerTest, RequestsThatAreTooLongOrNoneAtAllAreRefused) {
  const Served served(options());
  for (const std::string& request : {"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + std::string(200'000, 'x') + "\r\n\r\n",
                                     "GET /" + std::string(200'000, 'y') + " HTTP/1.1\r\n\r\n"}) {
    Client client(served);
    client.send(request);
    const int status = answer_of(client.rest()).status;
    EXPECT_TRUE(status == 431 || status == 400) << status;
  }
  for (const std::string& garbage :
       {std::string("\x16\x03\x01\x02hello\r\n\r\n", 13), std::string(5000, '\0'), std::string("GET\r\n\r\n")}) {
    Client client(served);
    client.send(garbage);
    EXPECT_EQ(answer_of(client.rest()).status, 400);
  }
  EXPECT_EQ(ask(served, "/api/run", bearer(served)).status, 200);
}

TEST_F(PageServerTest, SeveralRequestsGoOverOneConnection) {
  const Served served(options());
  Client client(served);
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n" + bearer(served);
  client.send(request + "\r\n" + request + "\r\n" + request + "Connection: close\r\n\r\n");
  const std::string all = client.rest();
  std::size_t answers = 0;
  for (std::size_t at = all.find("HTTP/1.1 200"); at != std::string::npos; at = all.find("HTTP/1.1 200", at + 1)) ++answers;
  EXPECT_EQ(answers, 3u);
}

TEST_F(PageServerTest, HalfARequestAndThenSilenceIsDropped) {
  PageOptions chosen = options();
  chosen.limits.request_s = 0.3;
  Served served(chosen);
  Client half(served), silent(served);
  half.send("GET / HTTP/1.1\r\nHost: loc");
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(half.rest(), "");
  EXPECT_EQ(silent.rest(), "");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  EXPECT_TRUE(wait_until([&] { return served.connections() == 0; }));
}

// A client that sends a byte now and then is not given more time.
TEST_F(PageServerTest, DribbleIsDropped) {
  PageOptions chosen = options();
  chosen.limits.request_s = 0.5;
  const Served served(chosen);
  Client client(served);
  const auto start = std::chrono::steady_clock::now();
  std::atomic<bool> dropped{false};
  std::thread dribble([&] {
    for (int i = 0; i < 400 && !dropped; ++i) {
      client.send("x");
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  });
  client.rest();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(15));
  dropped = true;
  dribble.join();
}

TEST_F(PageServerTest, IdleConnectionsMakeRoom) {
  PageOptions chosen = options();
  chosen.limits.connections = 8;
  Served served(chosen);
  std::vector<std::unique_ptr<Client>> idle;
  for (int i = 0; i < 60; ++i) {
    idle.push_back(std::make_unique<Client>(served));
    if (i % 2 == 0) idle.back()->send("GET / HT");
  }
  EXPECT_EQ(ask(served, "/api/run", bearer(served)).status, 200);
  EXPECT_TRUE(wait_until([&] { return served.connections() <= 8; })) << served.connections();
  idle.back()->send(std::string("GET /api/run HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n") + bearer(served) + "\r\n");
  EXPECT_EQ(answer_of(idle.back()->rest()).status, 200);  // the newest ones stayed
}

TEST_F(PageServerTest, ReadersThatDoNotReadAreDropped) {
  PageOptions chosen = options();
  chosen.limits.response_s = 0.5;
  chosen.limits.look_s = 60;  // the long answer is made once
  chosen.live = [] { return Json{{"log", {std::string(12'000'000, 'x')}}}; };
  Served served(chosen);
  std::vector<std::unique_ptr<Client>> slow;
  for (int i = 0; i < 3; ++i) {
    slow.push_back(std::make_unique<Client>(served, 4096));
    slow.back()->send("GET /api/run HTTP/1.1\r\nHost: localhost\r\n" + bearer(served) + "\r\n");
  }
  EXPECT_EQ(ask(served, "/", bearer(served)).status, 200);  // meanwhile
  EXPECT_TRUE(wait_until([&] { return served.connections() == 0; })) << served.connections();
}

TEST_F(PageServerTest, ClosingEndsEveryConnection) {
  auto served = std::make_unique<Served>(options());
  Client idle(*served), half(*served);
  half.send("GET / H");
  ASSERT_TRUE(wait_until([&] { return served->connections() == 2; }));
  served->close();
  EXPECT_EQ(idle.rest(), "");
  EXPECT_EQ(half.rest(), "");
}

TEST_F(PageServerTest, AContextMayGoWithConnectionsOpen) {
  auto context = std::make_unique<boost::asio::io_context>(1);
  auto server = std::make_unique<PageServer>(*context, options());
  boost::asio::io_context clients;
  boost::asio::ip::tcp::socket client(clients);
  client.connect({boost::asio::ip::make_address("127.0.0.1"), server->port()});
  ASSERT_TRUE(wait_until([&] { return context->poll(), server->connections() == 1; }));
  server.reset();
  context.reset();
}

TEST_F(PageServerTest, AnAddressThatIsTakenOrNotOursIsRefused) {
  const Served served(options());
  boost::asio::io_context context(1);
  PageOptions chosen = options();
  chosen.port = served.server().port();
  EXPECT_THROW(PageServer(context, chosen), UsageError);
  chosen.port = 0;
  for (const char* const address : {"203.0.113.7", "nonsense", ""}) {
    chosen.address = address;
    EXPECT_THROW(PageServer(context, chosen), UsageError) << address;
  }
}

}  // namespace
}  // namespace thaw::test
