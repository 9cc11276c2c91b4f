#include "launcher/supervisor/supervisor.h"

#include <signal.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <fstream>
#include <set>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/network.h"
#include "framework/base/process.h"
#include "framework/base/secret.h"
#include "launcher/supervisor/reporter.h"

namespace thaw {

namespace asio = boost::asio;

namespace {

constexpr double between_looks_s = 0.25, between_orders_s = 1;
constexpr double late_s = 3;              // a look that comes so late says more of this process than of the ranks
constexpr double gentle_end_s = 4;        // for mpirun to end its ranks
constexpr double last_connections_s = 8;  // for ranks that can be heard to be gone, before others take their place
constexpr double roll_call_s = 8;
constexpr double tell_again_s = 60;  // after so long without it

asio::awaitable<void> sleep(asio::io_context& io, double seconds) {
  asio::steady_timer timer(io, std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds)));
  co_await timer.async_wait(asio::use_awaitable);
}

bool this_host(const std::string& name) { return name == "localhost" || name == "127.0.0.1" || same_host(name, host_name()); }

std::string ranks_on(int ranks, const std::vector<Host>& hosts) {
  return fmt::format("{} rank{} on {}", ranks, ranks == 1 ? "" : "s", hosts_text(first_for(hosts, ranks)));
}

std::string newest_checkpoint_name(const fs::path& run) {
  std::ifstream latest(run / "checkpoints" / "latest");
  std::string name;
  return std::getline(latest, name) ? name : "the beginning";
}

}  // namespace

Supervisor::Supervisor(asio::io_context& io, Options options)
    : io_(io),
      options_(std::move(options)),
      folder_(options_.run / "launch"),
      id_(random_token().substr(0, 16)),
      token_(random_token()),
      events_(folder_ / "events.jsonl") {
  make_directory(folder_);
  plane_ = std::make_unique<ControlPlane>(io_, !on_other_hosts(), token_,
                                          ControlPlane::Handlers{
                                              [this](const Hello& hello) { world_->came(hello, now_s()); },
                                              [this](int rank, const Pulse& pulse) { world_->pulse(rank, pulse, now_s()); },
                                              [this](int rank, const LastWords& words) { world_->last_words(rank, words, now_s()); },
                                              [this](int rank) { world_->gone(rank, now_s()); },
                                              [this](const std::string& what) { events_.tell("refused", what); },
                                          });
}

bool Supervisor::on_other_hosts() const {
  return std::any_of(options_.hosts.begin(), options_.hosts.end(), [](const Host& host) { return !this_host(host.name); });
}

fs::path Supervisor::attempt_folder() const { return folder_ / fmt::format("{}-{:02}", id_.substr(0, 8), number_); }

asio::awaitable<int> Supervisor::run() {
  Restarts& restarts = options_.restarts;
  while (true) {
    const AttemptEnd end = co_await attempt();
    // With fewer hosts it is another attempt.
    const bool otherwise = slots_of(end.left) < slots_of(options_.hosts);
    restarts.without_a_step = end.reached_a_step || otherwise ? 0 : restarts.without_a_step + 1;
    const Decision decision = decide(end, restarts, orders_.stop_signal > 0);
    if (!decision.again) {
      events_.tell("ended", end.exit_code == 0 || end.exit_code == 75
                                ? decision.reason
                                : fmt::format("ended: {}; exit code {}", decision.reason, decision.exit_code));
      co_return decision.exit_code;
    }
    ++restarts.done;
    options_.hosts = end.left;
    options_.ranks = std::min(options_.ranks, slots_of(end.left));
    events_.tell("restart", fmt::format("restart {} of {}: {}, from {}", restarts.done, restarts.max,
                                        ranks_on(options_.ranks, options_.hosts), newest_checkpoint_name(options_.run)));
  }
}

asio::awaitable<AttemptEnd> Supervisor::attempt() {
  ++number_;
  told_s_.clear();
  const fs::path folder = attempt_folder();
  make_directory(folder);
  world_ = std::make_unique<World>(options_.ranks, now_s());
  output_ = std::make_unique<Output>(folder / "output.log", folder, [this](const OutputLine& line) {
    if (line.rank < 0 && world_->came_so_far() > 0) return;  // mpirun's own account of an end comes after ours: it is in mpirun.log
    std::FILE* const to = line.rank >= 0 && line.standard_output ? stdout : stderr;
    fmt::print(to, "{}{}\n", line.rank > 0 ? fmt::format("[{}] ", line.rank) : "", line.text);
    std::fflush(to);
  });
  plane_->expect(number_, options_.ranks);
  // Set here too, and not for the child alone: mpirun hands on what it finds named by -x.
  const std::vector<std::pair<std::string, std::string>> environment{{SupervisorPlace::addresses_key, plane_->addresses()},
                                                                     {SupervisorPlace::token_key, token_},
                                                                     {SupervisorPlace::launch_key, id_},
                                                                     {SupervisorPlace::attempt_key, std::to_string(number_)}};
  MpirunOptions mpirun = options_.mpirun;
  for (const auto& [name, value] : environment) mpirun.environment.push_back(name);
  Child child(io_, mpirun_command(mpirun, first_for(options_.hosts, options_.ranks), options_.ranks, options_.program),
              folder / "output.log", environment);
  events_.tell("started", fmt::format("{}; logs by rank in {}", ranks_on(options_.ranks, options_.hosts), folder.string()));

  const std::optional<Finding> fatal = co_await watch(child);
  co_await end_job(child);
  output_->look(true);
  AttemptEnd end = outcome(child, fatal);
  end.left = options_.hosts;
  if (end.exit_code != 0 && !end.all_ended_well && orders_.stop_signal == 0) end.left = co_await roll_call(fatal);
  co_return end;
}

asio::awaitable<std::optional<Finding>> Supervisor::watch(Child& child) {
  double looked_s = now_s(), ordered_s = 0;
  while (child.running() && !end_now_) {
    co_await sleep(io_, between_looks_s);
    output_->look();
    const bool late = now_s() - looked_s > late_s;
    looked_s = now_s();
    if (now_s() - ordered_s > between_orders_s) {
      plane_->give(orders_);
      ordered_s = now_s();
    }
    if (late) {  // this process was stopped, or the machine asleep: what the ranks have said meanwhile is still to be read
      co_await sleep(io_, 2);
      looked_s = now_s();
      continue;
    }
    if (world_->all_ended_well() && now_s() - world_->last_words_s() > last_connections_s)
      co_return std::nullopt;  // mpirun waits for a host
    const std::vector<Finding> findings = judge(*world_, now_s(), options_.times);
    tell(findings);
    const auto fatal = std::find_if(findings.begin(), findings.end(), [](const Finding& finding) { return finding.fatal; });
    if (fatal != findings.end()) {
      // mpirun may be about to end by itself, and then knows of which signal a rank has died.
      if (fatal->kind == Finding::Kind::failed || fatal->kind == Finding::Kind::lost) co_await child.wait_for(1);
      co_return *fatal;
    }
  }
  co_return std::nullopt;
}

// Everywhere: mpirun's daemons end the ranks of hosts that can be reached; a daemon that cannot, by itself.
asio::awaitable<void> Supervisor::end_job(Child& child) {
  if (child.running()) {
    const std::vector<std::int64_t> family = children_of(child.pid());
    child.signal(SIGTERM);
    if (!co_await child.wait_for(gentle_end_s)) {
      child.signal_group(SIGKILL);
      for (const std::int64_t pid : family) ::kill(static_cast<pid_t>(pid), SIGKILL);
      co_await child.wait_for(gentle_end_s);
    }
  }
  const double since_s = now_s();
  const auto heard = [&](const RankSeen& rank) { return rank.connected && since_s - rank.heard_s < options_.times.silent_s; };
  while (std::any_of(world_->ranks().begin(), world_->ranks().end(), heard) && now_s() - since_s < last_connections_s)
    co_await sleep(io_, 0.05);
}

AttemptEnd Supervisor::outcome(Child& child, const std::optional<Finding>& fatal) {
  AttemptEnd end;
  const std::vector<RankSeen>& ranks = world_->ranks();
  end.reached_a_step = world_->first_step_s() > 0;
  end.exit_code = child.exit_code();
  end.all_ended_well = world_->all_ended_well();
  if (end.all_ended_well) end.exit_code = ranks.front().last_words->exit_code;
  if (end.exit_code == 0 || end.all_ended_well) return end;

  const auto [cause, rank] = first_failure(fatal, child);
  end.cause = cause;
  if (rank >= 0 && ranks[static_cast<std::size_t>(rank)].last_words)
    end.exit_code = ranks[static_cast<std::size_t>(rank)].last_words->exit_code;
  tell_failure(cause, rank);
  return end;
}

// What a rank said of itself comes before who was killed as mpirun saw it, that before what was found from outside, and last
// comes what ranks say of others (69).
std::pair<std::string, int> Supervisor::first_failure(const std::optional<Finding>& fatal, const Child& child) const {
  const std::vector<RankSeen>& ranks = world_->ranks();
  JudgeTimes at_once = options_.times;
  at_once.reconnect_s = -1;
  const std::vector<Finding> findings = judge(*world_, now_s(), at_once);
  const auto of_kind = [&](Finding::Kind kind, bool of_itself) -> const Finding* {
    for (const Finding& finding : findings)
      if (finding.kind == kind && (!of_itself || ranks[static_cast<std::size_t>(finding.rank)].last_words->exit_code != 69))
        return &finding;
    return nullptr;
  };
  if (const Finding* const failed = of_kind(Finding::Kind::failed, true)) return {failed->message, failed->rank};
  for (int rank = 0; rank < options_.ranks; ++rank)
    if (const std::string signal = output_->killed_by(rank); !signal.empty() && (!fatal || fatal->kind != Finding::Kind::silent))
      return {fmt::format("{} was killed by {}, {}; it held {:.2f} GiB", world_->name(rank), signal, world_->at(rank),
                          static_cast<double>(ranks[static_cast<std::size_t>(rank)].pulse.memory_bytes) / 1073741824.0),
              rank};
  if (!fatal && child.killed()) return {"mpirun was ended by " + child.ending(), -1};
  if (fatal && fatal->kind != Finding::Kind::failed) return {fatal->message, fatal->rank};
  for (const Finding::Kind kind : {Finding::Kind::lost, Finding::Kind::failed})
    if (const Finding* const found = of_kind(kind, false)) return {found->message, found->rank};
  return {"mpirun ended with " + child.ending(), -1};
}

// Once, and again where it had passed for a while.
void Supervisor::tell(const std::vector<Finding>& findings) {
  for (const Finding& finding : findings) {
    if (finding.kind == Finding::Kind::failed) continue;  // told with its log, when the job has ended
    const auto [told, first] = told_s_.try_emplace({finding.kind, finding.rank}, now_s());
    if (first || now_s() - told->second > tell_again_s) events_.tell(name_of(finding.kind), finding.message, finding.rank);
    told->second = now_s();
  }
}

void Supervisor::tell_failure(const std::string& cause, int rank) {
  events_.tell("failed", cause, rank);
  std::string text = cause + "\n";
  for (const std::string& line : output_->last_lines(rank)) text += fmt::format("  [{}] {}\n", rank, line);
  std::ofstream(attempt_folder() / "failure.txt") << text;
}

// A host of which nothing was heard is asked once more, by starting something small on it.
asio::awaitable<std::vector<Host>> Supervisor::roll_call(const std::optional<Finding>& fatal) {
  std::set<std::size_t> asked;
  if (fatal)
    for (const std::string& name : fatal->hosts) asked.insert(host_of(fatal->rank, name, options_.hosts));
  if (world_->came_so_far() < options_.ranks)
    for (std::size_t i = 0; i < options_.hosts.size(); ++i) asked.insert(i);
  std::vector<Host> left;
  for (std::size_t i = 0; i < options_.hosts.size(); ++i) {
    const Host& host = options_.hosts[i];
    if (!asked.contains(i) || this_host(host.name) || co_await answers(host)) left.push_back(host);
    else events_.tell("lost", fmt::format("{} does not answer: left out from here on", host.name));
  }
  co_return left;
}

asio::awaitable<bool> Supervisor::answers(const Host& host) {
  Child child(io_, mpirun_command(options_.mpirun, {{host.name, 1}}, 1, {"true"}), attempt_folder() / "roll-call.log");
  const bool ended = co_await child.wait_for(roll_call_s);
  co_return ended&& child.exit_code() == 0;
}

void Supervisor::stop(int signal) {
  // Slurm repeats its signals, to the script and to all processes: there a second one is nobody's impatience.
  const bool in_job = !environment("SLURM_JOB_ID").empty();
  if (orders_.stop_signal > 0) {
    if (in_job) return;
    events_.tell("stop", "a second signal: ended at once");
    end_now_ = true;
    return;
  }
  events_.tell(
      "stop", fmt::format("signal {}: the ranks save a checkpoint and end{}", signal, in_job ? "" : "; a second signal ends them at once"));
  orders_.stop_signal = signal;
  plane_->give(orders_);
}

Json Supervisor::live() const {
  Json hosts = Json::array();
  for (const Host& host : options_.hosts) hosts.push_back({{"name", host.name}, {"slots", host.slots}});
  return {{"attempt", number_},
          {"restarts", options_.restarts.done},
          {"max_restarts", options_.restarts.max},
          {"hosts", std::move(hosts)},
          {"ranks", world_ ? world_->as_json(now_s()) : Json::array()},
          {"log", output_ ? Json(output_->recent()) : Json::array()}};
}

}  // namespace thaw
