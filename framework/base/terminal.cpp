#include "framework/base/terminal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace thaw {
namespace {

// mpirun with --tag-output or --timestamp-output puts something before every line: a bar would be torn.
bool mpirun_hands_on() {
  return std::getenv("OMPI_COMM_WORLD_RANK") != nullptr && std::getenv("OMPI_MCA_orte_tag_output") == nullptr &&
         std::getenv("OMPI_MCA_orte_timestamp_output") == nullptr;
}

}  // namespace

Terminal::Terminal() {
  const std::string of_parent = fmt::format("/proc/{}/fd/{}", ::getppid(), STDERR_FILENO);
  if (::isatty(STDERR_FILENO) == 1) descriptor_ = ::dup(STDERR_FILENO);
  else if (mpirun_hands_on()) descriptor_ = ::open(of_parent.c_str(), O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (descriptor_ < 0 || ::isatty(descriptor_) == 1) return;
  ::close(descriptor_);
  descriptor_ = -1;
}

Terminal::~Terminal() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::size_t Terminal::columns() const {
  winsize size{};
  return ::ioctl(descriptor_, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 100;
}

}  // namespace thaw
