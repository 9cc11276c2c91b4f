// Hosts as users and Slurm write them.
#include "launcher/supervisor/hosts.h"
#include "tests/fuzz/fuzz.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::text_of(data, size));
  fuzz::accepts([&] {
    const std::vector<Host> hosts = parse_hosts(text);
    fuzz::require(parse_hosts(hosts_text(hosts)) == hosts);
  });
  fuzz::accepts([&] { expand_nodelist(text); });
  fuzz::accepts([&] { expand_counts(text); });
  return 0;
}
