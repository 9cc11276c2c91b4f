// What ranks and their supervisor say to each other: JSON in frames, a big-endian u32 length and that many bytes.
// A rank says Hello once, a Pulse a second, and LastWords when it ends; the supervisor answers with Orders.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace thaw {

constexpr std::size_t largest_frame = 16 * 1024;  // bytes; a longer one ends its connection

struct Hello {
  std::string token, host;
  int rank = 0, size = 1, attempt = 1;
  std::int64_t pid = 0;
};

struct Pulse {
  std::string state = "starting";  // "starting", "training", "evaluating"
  std::int64_t step = 0, total_steps = 0, phase = 0;
  double loss = 0;                 // of the last step; NaN where it was not finite
  std::string collective;          // that this rank waits in: "all_reduce", … ; empty outside of collectives
  std::uint64_t collectives = 0;   // begun so far, the same on every rank
  std::uint64_t bytes = 0;         // of the collective
  double since_s = 0;              // in the collective
  double waited_s = 0;             // in all collectives so far
  std::uint64_t memory_bytes = 0;  // resident
  char process = 'R';              // of the main thread, as /proc tells: 'R', 'S', 'D' (in a read or write), …
  std::vector<int> stopped;        // ranks of the same node whose process is stopped (SIGSTOP)
};

struct LastWords {
  int exit_code = 0;
  std::string message;  // empty where all is well
};

using RankMessage = std::variant<Hello, Pulse, LastWords>;

struct Orders {
  int stop_signal = 0;  // above 0: save a checkpoint and stop, as if this signal had come
};

std::string write_message(const RankMessage& message);
RankMessage read_message(std::string_view json);  // DataError where it is none
std::string write_orders(const Orders& orders);
Orders read_orders(std::string_view json);  // DataError

// The length before a frame's bytes, and back. DataError where it is 0 or above largest_frame.
std::string frame(std::string_view content);
std::size_t frame_length(const unsigned char (&header)[4]);

}  // namespace thaw
