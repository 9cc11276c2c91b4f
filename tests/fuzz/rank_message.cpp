// What arrives at the supervisor's port: a frame's length, then its content as a rank's message.
#include "launcher/supervisor/messages.h"
#include "tests/fuzz/fuzz.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  fuzz::accepts([&] {
    const std::size_t length = frame_length({data[0], data[1], data[2], data[3]});
    const RankMessage message = read_message(fuzz::text_of(data + 4, std::min(length, size - 4)));
    read_message(write_message(message));
  });
  fuzz::accepts([&] { read_orders(fuzz::text_of(data + 4, size - 4)); });
  return 0;
}
