#include "launcher/supervisor/messages.h"

#include <limits>

#include "framework/base/error.h"
#include "framework/base/json.h"

namespace thaw {
namespace {

constexpr std::size_t longest_text = 2 * 1024;  // six times as much where every byte has to be escaped: less than a frame

// JSON from another process: what cannot be kept as it is, bytes that are no UTF-8, is replaced.
std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string limited(const std::string& text) { return text.substr(0, longest_text); }

// JSON has no NaN: it comes as null.
double number_of(const JsonView& view, const char* key) {
  return view.has(key) ? view[key].number() : std::numeric_limits<double>::quiet_NaN();
}

int small(const JsonView& view, int least, int most) {
  const std::int64_t value = view.integer();
  if (value < least || value > most) view.fail(fmt::format("a number from {} to {}", least, most));
  return static_cast<int>(value);
}

std::uint64_t natural(const JsonView& view) {
  const std::int64_t value = view.integer();
  if (value < 0) view.fail("a number of 0 or more");
  return static_cast<std::uint64_t>(value);
}

constexpr int most_ranks = 1 << 22;

Hello read_hello(const JsonView& view) {
  Hello hello;
  hello.token = view["token"].text();
  hello.host = limited(view["host"].text());
  hello.size = small(view["size"], 1, most_ranks);
  hello.rank = small(view["rank"], 0, hello.size - 1);
  hello.attempt = small(view["attempt"], 1, most_ranks);
  hello.pid = view["pid"].integer();
  return hello;
}

Pulse read_pulse(const JsonView& view) {
  Pulse pulse;
  pulse.state = limited(view["state"].text());
  pulse.step = view["step"].integer();
  pulse.total_steps = view["total_steps"].integer();
  pulse.phase = view["phase"].integer();
  pulse.loss = number_of(view, "loss");
  pulse.collective = limited(view["collective"].text());
  pulse.collectives = natural(view["collectives"]);
  pulse.bytes = natural(view["bytes"]);
  pulse.since_s = view["since_s"].number();
  pulse.waited_s = view["waited_s"].number();
  pulse.memory_bytes = natural(view["memory_bytes"]);
  const std::string process = view["process"].text();
  pulse.process = process.empty() ? '?' : process[0];
  const JsonView stopped = view["stopped"];
  for (std::size_t i = 0; i < stopped.size(); ++i) pulse.stopped.push_back(small(stopped[i], 0, most_ranks));
  return pulse;
}

}  // namespace

std::string write_message(const RankMessage& message) {
  if (const auto* hello = std::get_if<Hello>(&message))
    return text_of({{"kind", "hello"},
                    {"token", hello->token},
                    {"host", hello->host},
                    {"rank", hello->rank},
                    {"size", hello->size},
                    {"attempt", hello->attempt},
                    {"pid", hello->pid}});
  if (const auto* pulse = std::get_if<Pulse>(&message))
    return text_of({{"kind", "pulse"},
                    {"state", pulse->state},
                    {"step", pulse->step},
                    {"total_steps", pulse->total_steps},
                    {"phase", pulse->phase},
                    {"loss", pulse->loss},
                    {"collective", pulse->collective},
                    {"collectives", pulse->collectives},
                    {"bytes", pulse->bytes},
                    {"since_s", pulse->since_s},
                    {"waited_s", pulse->waited_s},
                    {"memory_bytes", pulse->memory_bytes},
                    {"process", std::string(1, pulse->process)},
                    {"stopped", pulse->stopped}});
  const LastWords& last = std::get<LastWords>(message);
  return text_of({{"kind", "last words"}, {"exit_code", last.exit_code}, {"message", limited(last.message)}});
}

RankMessage read_message(std::string_view json) {
  const JsonFile file("a rank's message", json);
  const JsonView view = file.view();
  const std::string kind = view["kind"].text();
  if (kind == "hello") return read_hello(view);
  if (kind == "pulse") return read_pulse(view);
  if (kind == "last words") return LastWords{small(view["exit_code"], 0, 255), limited(view["message"].text())};
  view["kind"].fail("hello, pulse or last words");
}

std::string write_orders(const Orders& orders) { return text_of({{"stop_signal", orders.stop_signal}}); }

Orders read_orders(std::string_view json) {
  const JsonFile file("the supervisor's orders", json);
  return {small(file.view()["stop_signal"], 0, 64)};
}

std::string frame(std::string_view content) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(content.size() >> shift & 0xFF);
  return bytes + std::string(content);
}

std::size_t frame_length(const unsigned char (&header)[4]) {
  std::size_t length = 0;
  for (const unsigned char byte : header) length = length << 8 | byte;
  if (length == 0 || length > largest_frame) throw DataError("a frame of {} bytes: expected 1 to {}", length, largest_frame);
  return length;
}

}  // namespace thaw
