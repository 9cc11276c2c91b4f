#include "launcher/supervisor/mpirun.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <set>

#include "framework/base/clock.h"
#include "framework/base/error.h"
#include "framework/base/file.h"

namespace thaw {
namespace {

// What a rank on another host needs of our environment: mpirun hands on its own variables alone.
bool goes_to_ranks(const std::string& name) {
  static constexpr const char* prefixes[] = {"THAW_", "HF_", "CUDA_", "NCCL_", "UCX_", "OMP_", "MKL_", "ONEDNN_", "DNNL_", "XDG_"};
  static const std::set<std::string> names{"PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "HOME", "TMPDIR", "ROCR_VISIBLE_DEVICES"};
  for (const char* prefix : prefixes)
    if (name.starts_with(prefix)) return true;
  return names.contains(name);
}

std::vector<std::string> names_of_environment() {
  std::vector<std::string> names;
  for (char** entry = environ; *entry != nullptr; ++entry) names.push_back(std::string(*entry).substr(0, std::string(*entry).find('=')));
  return names;
}

// Sockets above all: a rank's connection would seem alive when the supervisor is not.
void keep_descriptors_from_children() {
  std::error_code error;
  for (fs::directory_iterator entry("/proc/self/fd", error), end; !error && entry != end; entry.increment(error))
    if (const int descriptor = std::atoi(entry->path().filename().c_str()); descriptor > 2) ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

}  // namespace

std::vector<std::string> mpirun_command(const MpirunOptions& options, const std::vector<Host>& hosts, int ranks,
                                        const std::vector<std::string>& program) {
  std::vector<std::string> command{options.mpirun, "-n",   std::to_string(ranks), "--host", hosts_text(hosts),
                                   "--map-by",     "slot", "--bind-to",           "none",   "--tag-output"};
  // A daemon whose host is cut off must not live on.
  for (const auto& [key, value] : std::vector<std::pair<const char*, const char*>>{
           {"oob_tcp_keepalive_time", "5"}, {"oob_tcp_keepalive_intvl", "3"}, {"oob_tcp_keepalive_probes", "3"}})
    if (::getenv((std::string("OMPI_MCA_") + key).c_str()) == nullptr &&
        std::find(options.more.begin(), options.more.end(), key) == options.more.end())  // mpirun refuses one that comes twice
      command.insert(command.end(), {"--mca", key, value});
  std::vector<std::string> names = options.environment;
  for (const std::string& name : names_of_environment())
    if (goes_to_ranks(name)) names.push_back(name);
  std::set<std::string> once;
  for (const std::string& name : names)
    if (once.insert(name).second) command.insert(command.end(), {"-x", name});
  command.insert(command.end(), options.more.begin(), options.more.end());
  command.insert(command.end(), program.begin(), program.end());
  return command;
}

Child::Child(boost::asio::io_context& io, const std::vector<std::string>& command, const std::filesystem::path& output,
             const std::vector<std::pair<std::string, std::string>>& environment)
    : io_(io) {
  std::vector<std::string> variables;
  std::set<std::string> set;
  for (const auto& [name, value] : environment) {
    variables.push_back(name + "=" + value);
    set.insert(name);
  }
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (!set.contains(std::string(*entry).substr(0, std::string(*entry).find('=')))) variables.emplace_back(*entry);
  const auto pointers = [](const std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (const std::string& text : texts) all.push_back(const_cast<char*>(text.c_str()));
    all.push_back(nullptr);
    return all;
  };

  keep_descriptors_from_children();
  const int log = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) throw FileError(ExitCode::cannot_write, "{}: cannot write: {}", output.string(), std::strerror(errno));
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files, log, 1);
  ::posix_spawn_file_actions_adddup2(&files, log, 2);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  const int error = ::posix_spawnp(&pid_, command[0].c_str(), &files, &attributes, pointers(command).data(), pointers(variables).data());
  ::posix_spawn_file_actions_destroy(&files);
  ::posix_spawnattr_destroy(&attributes);
  ::close(log);
  if (error != 0)
    throw UsageError(
        "{}: cannot be started: {}. `thaw launch` needs Open MPI's mpirun in PATH (a module on most clusters), or --mpirun FILE",
        command[0], std::strerror(error));
  running_ = true;
}

Child::~Child() {
  if (!running()) return;
  signal_group(SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

bool Child::running() {
  if (!running_) return false;
  int status = 0;
  const pid_t reaped = ::waitpid(pid_, &status, WNOHANG);
  if (reaped == 0 || (reaped < 0 && errno == EINTR)) return true;
  running_ = false;
  killed_ = reaped > 0 && WIFSIGNALED(status);
  exit_code_ = reaped < 0 ? 255 : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return false;
}

std::string Child::ending() const { return killed_ ? fmt::format("signal {}", exit_code_ - 128) : fmt::format("exit code {}", exit_code_); }

void Child::signal(int number) {
  if (running()) ::kill(pid_, number);
}

void Child::signal_group(int number) {
  if (running()) ::kill(-pid_, number);
}

boost::asio::awaitable<bool> Child::wait_for(double seconds) {
  const auto start = Clock::now();
  boost::asio::steady_timer timer(io_);
  while (running() && seconds_since(start) < seconds) {
    timer.expires_after(std::chrono::milliseconds(20));
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
  co_return !running();
}

}  // namespace thaw
