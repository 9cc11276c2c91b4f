// Virtual hosts for a test: started where this process is root, and gone with this object.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <string>

#include "tests/launcher/program.h"

namespace thaw::test {

class Testbed {
 public:
  explicit Testbed(int hosts, const std::string& options = "") : name_(own_name()) {
    const Ran ran = shell(fmt::format("{} start {} {} {}", script, name_, hosts, options));
    if (ran.exit_code != 0) missing_ = ran.output;
  }
  ~Testbed() { shell(fmt::format("{} stop {}", script, name_)); }
  Testbed(const Testbed&) = delete;
  Testbed& operator=(const Testbed&) = delete;

  const std::string& missing() const { return missing_; }  // why there are none; empty where all is well
  std::string host(int number) const { return fmt::format("{}{}", name_, number); }
  // "rate lab1 1gbit", with the host's number in place of its name
  Ran set(const std::string& what, int number, const std::string& value = "") const {
    return shell(fmt::format("{} {} {} {}", script, what, host(number), value));
  }
  Ran exec(int number, const std::string& command) const { return shell(fmt::format("{} exec {} {}", script, host(number), command)); }
  std::string address() const {
    const std::string text = shell(fmt::format("{} address {}", script, name_)).output;
    return text.substr(0, text.find('\n'));
  }
  // What mpirun needs to start ranks on the hosts, so many on each.
  std::string mpirun_options(int ranks) const { return shell(fmt::format("{} mpirun-options {} {}", script, name_, ranks)).output; }
  // `thaw ARGUMENTS`, a rank on each host.
  std::string command(const std::string& arguments, int hosts) const {
    return fmt::format(". {0}/cluster/mpi.sh; {1} $({2} mpirun-options {3}) -n {4} {5}", THAW_SOURCE_DIR, THAW_MPIRUN, script, name_, hosts,
                       thaw_command(arguments));
  }

  static constexpr const char* script = THAW_SOURCE_DIR "/cluster/testbeds/hosts.sh";

 private:
  // Of this process alone: letters, since hosts are numbered.
  static std::string own_name() {
    std::string name = "t";
    for (int number = ::getpid(); number > 0; number /= 26) name += static_cast<char>('a' + number % 26);
    return name;
  }
  std::string name_, missing_;
};

}  // namespace thaw::test
