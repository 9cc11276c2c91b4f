// The control plane against those who should not be there: the ranks that should be are heard throughout, what strangers cost is
// bounded, and each kind of refusal is told once.
#include "launcher/supervisor/control_plane.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "framework/base/clock.h"
#include "launcher/supervisor/reporter.h"

namespace thaw::test {
namespace {

// A blocking client.
class Knock {
 public:
  explicit Knock(const std::string& address) {
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.find(':') + 1))));
    ::inet_pton(AF_INET, "127.0.0.1", &place.sin_addr);
    connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&place), sizeof place) == 0;
  }
  Knock(Knock&& other) noexcept : socket_(std::exchange(other.socket_, -1)), connected_(other.connected_) {}
  ~Knock() {
    if (socket_ >= 0) ::close(socket_);
  }
  bool connected() const { return connected_; }
  void say(std::string_view bytes) { (void)!::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  bool ended_within(double seconds) {  // by the other side
    const auto start = Clock::now();
    char byte[256];
    while (seconds_since(start) < seconds) {
      pollfd wait{socket_, POLLIN, 0};
      if (::poll(&wait, 1, 20) > 0 && ::recv(socket_, byte, sizeof byte, 0) <= 0) return true;
    }
    return false;
  }

 private:
  int socket_ = -1;
  bool connected_ = false;
};

class Plane : public ::testing::Test {
 protected:
  boost::asio::io_context io{1};
  std::vector<std::string> refused;
  std::atomic<int> came{0}, pulses{0}, gone{0}, ended{0};
  ControlPlane::Limits limits{8, 1, 20};
  std::unique_ptr<ControlPlane> plane;
  std::jthread thread;

  void SetUp() override {
    plane = std::make_unique<ControlPlane>(io, true, "secret",
                                           ControlPlane::Handlers{[this](const Hello&) { ++came; }, [this](int, const Pulse&) { ++pulses; },
                                                                  [this](int, const LastWords&) { ++ended; }, [this](int) { ++gone; },
                                                                  [this](const std::string& what) { refused.push_back(what); }},
                                           limits);
    plane->expect(1, 2);
    thread = std::jthread([this] { io.run(); });
  }
  void TearDown() override { finish(); }
  void finish() {
    io.stop();
    if (thread.joinable()) thread.join();
  }
  Knock knock() const { return Knock(plane->addresses()); }
  static std::string hello(const std::string& token, int rank = 0, int attempt = 1) {
    Hello hello;
    hello.token = token;
    hello.rank = rank;
    hello.size = 2;
    hello.attempt = attempt;
    return frame(write_message(hello));
  }
  template <typename Holds>
  static bool soon(Holds holds) {
    const auto start = Clock::now();
    while (!holds() && seconds_since(start) < 20) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return holds();
  }
};

TEST_F(Plane, ARankComesSpeaksAndGoes) {
  {
    Knock rank = knock();
    const std::string all = hello("secret") + frame(write_message(Pulse{})) + frame(write_message(LastWords{0, ""}));
    for (const char byte : all) rank.say({&byte, 1});  // in the smallest pieces
    EXPECT_TRUE(soon([&] { return came == 1 && pulses == 1 && ended == 1; }));
    EXPECT_EQ(gone, 0);
  }
  EXPECT_TRUE(soon([&] { return gone == 1; }));
  finish();
  EXPECT_TRUE(refused.empty());
}

TEST_F(Plane, StrangersAreRefusedAndToldOfOnce) {
  Knock rank = knock();
  rank.say(hello("secret"));
  for (int again = 0; again < 3; ++again)
    for (const std::string& nonsense :
         {hello("wrong"), hello(""), hello("secret", 0, 2), frame("{}"), frame(write_message(Pulse{})), std::string("\xff\xff\xff\xff", 4),
          std::string("\0\0\0\0", 4), std::string("GET / HTTP/1.1\r\n\r\n"), frame(std::string(10000, '['))}) {
      Knock stranger = knock();
      stranger.say(nonsense);
      EXPECT_TRUE(stranger.ended_within(0.9)) << nonsense.substr(0, 40);
    }
  rank.say(frame(write_message(Pulse{})));
  EXPECT_TRUE(soon([&] { return pulses == 1; })) << "the rank is heard all the while";
  finish();
  EXPECT_EQ(came, 1);
  EXPECT_EQ(refused.size(), 3U) << "wrong token, another attempt, no hello";
}

TEST_F(Plane, WhoSaysNothingOrHalfAFrameIsSentAway) {
  Knock silent = knock(), half = knock();
  half.say(hello("secret").substr(0, 20));
  EXPECT_TRUE(silent.ended_within(10));
  EXPECT_TRUE(half.ended_within(10));
}

TEST_F(Plane, IdleConnectionsToTheLimitDoNotKeepRanksAwayForLong) {
  std::vector<Knock> idle;
  for (int i = 0; i < 200; ++i) idle.push_back(knock());
  EXPECT_TRUE(soon([&] {
    Knock rank = knock();  // tries again, as a reporter does, until the idle ones have been sent away
    rank.say(hello("secret"));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return came > 0;
  }));
  finish();
  EXPECT_EQ(refused.size(), 1U) << "too many at once";
}

TEST_F(Plane, ARankThatSendsTooMuchIsEnded) {
  Knock rank = knock();
  rank.say(hello("secret"));
  for (int i = 0; i < 200; ++i) rank.say(frame(write_message(Pulse{})));
  EXPECT_TRUE(rank.ended_within(10));
  EXPECT_TRUE(soon([&] { return gone == 1; }));
  EXPECT_LE(pulses, 41);
}

TEST_F(Plane, ARankThatDoesNotReadHoldsNoOrdersBack) {
  Knock deaf = knock();
  deaf.say(hello("secret", 0));
  Knock rank = knock();
  rank.say(hello("secret", 1));
  ASSERT_TRUE(soon([&] { return came == 2; }));
  std::atomic<bool> given{false};
  for (int i = 0; i < 20; ++i)
    boost::asio::post(io, [&, i] {
      for (int many = 0; many < 10000; ++many) plane->give({});
      given = i == 19;
    });
  EXPECT_TRUE(soon([&] { return given.load(); }));
  rank.say(frame(write_message(Pulse{})));
  EXPECT_TRUE(soon([&] { return pulses == 1; }));
}

TEST_F(Plane, AnEarlierAttemptsRanksAreEnded) {
  Knock rank = knock();
  rank.say(hello("secret"));
  ASSERT_TRUE(soon([&] { return came == 1; }));
  boost::asio::post(io, [&] { plane->expect(2, 2); });
  EXPECT_TRUE(rank.ended_within(10));
  Knock late = knock();
  late.say(hello("secret"));
  EXPECT_TRUE(late.ended_within(10));
  finish();
  EXPECT_EQ(gone, 0) << "nobody of this attempt has gone";
}

// The real reporter of a rank, against the real plane.
TEST_F(Plane, AReporterTellsObeysAndSaysItsLastWords) {
  ::setenv("THAW_SUPERVISOR", ("10.255.255.1,nonsense,:1," + plane->addresses()).c_str(), 1);
  ::setenv("THAW_SUPERVISOR_TOKEN", "secret", 1);
  ::setenv("THAW_ATTEMPT", "1", 1);
  LaunchedWorld world;
  world.rank = 1;
  world.size = 2;
  const auto reporter = Reporter::of_environment(world);
  for (const char* key : {"THAW_SUPERVISOR", "THAW_SUPERVISOR_TOKEN", "THAW_ATTEMPT"}) ::unsetenv(key);
  ASSERT_TRUE(reporter);
  EXPECT_FALSE(Reporter::of_environment(world)) << "nobody is told of without a supervisor";
  ASSERT_TRUE(soon([&] { return came == 1; }));
  std::atomic<int> looked{0}, stopped{0}, alone{0};
  {
    const auto following = reporter->follow({[&] {
                                               ++looked;
                                               return Pulse{};
                                             },
                                             [&](int signal) { stopped = signal; },
                                             [&] { ++alone; },
                                             {}});
    EXPECT_TRUE(soon([&] { return looked > 0 && pulses > 0; }));
    boost::asio::post(io, [&] { plane->give({12}); });
    EXPECT_TRUE(soon([&] { return stopped == 12; }));
  }
  reporter->last_words(75, "");
  EXPECT_TRUE(soon([&] { return ended == 1 && gone == 1; }));
  EXPECT_EQ(alone, 0);
}

TEST_F(Plane, AReporterNoticesThatItsSupervisorHasGone) {
  ::setenv("THAW_SUPERVISOR", plane->addresses().c_str(), 1);
  ::setenv("THAW_SUPERVISOR_TOKEN", "secret", 1);
  ::setenv("THAW_ATTEMPT", "1", 1);
  LaunchedWorld world;
  world.size = 2;
  const auto reporter = Reporter::of_environment(world);
  for (const char* key : {"THAW_SUPERVISOR", "THAW_SUPERVISOR_TOKEN", "THAW_ATTEMPT"}) ::unsetenv(key);
  ASSERT_TRUE(soon([&] { return came == 1; }));
  finish();
  plane.reset();
  std::atomic<int> alone{0};
  const auto following = reporter->follow({[] { return Pulse{}; }, {}, [&] { ++alone; }, {}});
  EXPECT_TRUE(soon([&] { return alone == 1; }));
  const auto start = Clock::now();
  reporter->last_words(0, "");
  EXPECT_LT(seconds_since(start), 10);
}

}  // namespace
}  // namespace thaw::test
