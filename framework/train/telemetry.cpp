#include "framework/train/telemetry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace thaw {
namespace {

std::string clock_of(double seconds) {
  const auto s = static_cast<std::int64_t>(std::max(0.0, seconds) + 0.5);
  return s >= 3600 ? fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60) : fmt::format("{}:{:02}", s / 60, s % 60);
}

std::string thousands(double value) { return value >= 10000 ? fmt::format("{:.1f}k", value / 1000) : fmt::format("{:.0f}", value); }

}  // namespace

Telemetry::Telemetry(RunDirectory* run, bool silent) : run_(run), silent_(silent) {}

void Telemetry::draw(const std::string& line) {
  // Bytes are more than columns where the bar has block characters: count code points.
  const auto columns = static_cast<std::size_t>(std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; }));
  fmt::print(stderr, "\r{}{}", line, std::string(drawn_ > columns ? drawn_ - columns : 0, ' '));
  std::fflush(stderr);
  drawn_ = columns;
}

void Telemetry::end_bar() {
  if (drawn_ == 0) return;
  fmt::print(stderr, "\n");
  drawn_ = 0;
}

void Telemetry::say(const std::string& line) {
  if (silent_) return;
  if (drawn_ > 0) draw("");
  fmt::print(stderr, "{}{}\n", drawn_ > 0 || terminal_.there() ? "\r" : "", line);
  drawn_ = 0;
}

Activity Telemetry::activity() const {
  const std::lock_guard lock(mutex_);
  return activity_;
}

void Telemetry::now_at(const char* state) {
  const std::lock_guard lock(mutex_);
  activity_.state = state;
}

void Telemetry::step(const StepReport& r) {
  {
    const std::lock_guard lock(mutex_);
    activity_ = {"training", r.step, r.total_steps, r.phase, r.loss};
  }
  const double rate = r.step_s > 0 ? static_cast<double>(r.rows) / r.step_s : 0;
  const double token_rate = r.step_s > 0 ? static_cast<double>(r.tokens) / r.step_s : 0;
  const double keep = smooth_step_ == 0 ? 0 : 0.95;
  smooth_rows_ = keep * smooth_rows_ + (1 - keep) * rate;
  smooth_tokens_ = keep * smooth_tokens_ + (1 - keep) * token_rate;
  smooth_step_ = keep * smooth_step_ + (1 - keep) * r.step_s;
  loss_sum_ += r.loss;
  ++loss_count_;
  if (run_ != nullptr) {
    Json entry{{"step", r.step},
               {"total_steps", r.total_steps},
               {"epoch", r.epoch},
               {"phase", r.phase},
               {"loss", r.loss},
               {"lr", r.lr},
               {"grad_norm", r.gradient_norm},
               {"rows", r.rows},
               {"step_s", r.step_s},
               {"comm_wait_s", r.comm_wait_s},
               {"comm_hidden_s", r.comm_hidden_s},
               {"comm_bytes", r.comm_bytes}};
    entry[size_name(audio_)] = size_value(r.tokens, audio_);
    run_->append_log(entry);
  }
  if (silent_) return;

  const auto now = std::chrono::steady_clock::now();
  const bool last = r.step == r.total_steps;
  const std::string rates = fmt::format("{} rows/s", smooth_rows_ < 10 ? fmt::format("{:.1f}", smooth_rows_) : thousands(smooth_rows_));
  const std::string sizes = audio_ ? fmt::format("{:.1f} x real time", smooth_tokens_ / 100) : thousands(smooth_tokens_) + " tokens/s";
  const double since = std::chrono::duration<double>(now - last_draw_).count();
  const double left = static_cast<double>(r.total_steps - r.step) * smooth_step_;
  const double done = static_cast<double>(r.step) / static_cast<double>(std::max<std::int64_t>(r.total_steps, 1));
  if (terminal_.there()) {
    if (since < 0.1 && !last) return;
    const std::string numbers =
        fmt::format(" {:3.0f}% {}/{} · loss {:.4f} · lr {:.2e} · {} · {} · {} left", done * 100, r.step, r.total_steps,
                    loss_sum_ / static_cast<double>(loss_count_), r.lr, rates, sizes, clock_of(left));
    const std::size_t columns = terminal_.columns(),
                      room = columns > numbers.size() + 8 ? std::min<std::size_t>(24, columns - numbers.size() - 2) : 0;
    const auto filled = static_cast<std::size_t>(std::lround(done * static_cast<double>(room)));
    std::string bar;
    for (std::size_t i = 0; i < room; ++i) bar += i < filled ? "━" : "╌";
    draw(bar + numbers);
  } else {
    if (since < 10 && r.step != 1 && !last) return;
    fmt::print(stderr, "step {}/{}  epoch {}  loss {:.4f}  lr {:.2e}  {}  {}  {} left\n", r.step, r.total_steps, r.epoch + 1,
               loss_sum_ / static_cast<double>(loss_count_), r.lr, rates, sizes, clock_of(left));
  }
  last_draw_ = now;
  loss_sum_ = 0;
  loss_count_ = 0;
}

void Telemetry::evaluation(std::int64_t step, std::int64_t epoch, const Metrics& metrics, double seconds, bool best) {
  now_at("training");
  if (run_ != nullptr) {
    Json entry{{"step", step}, {"epoch", epoch}, {"evaluation_s", seconds}, {"best", best}};
    for (const auto& [name, value] : metrics) entry["metrics"][name] = value;
    run_->append_log(entry);
  }
  if (silent_) return;
  // A line a set; what repeats another value (f1_micro of one label a row) or is long (f1 by class) stands in log.jsonl.
  std::string set, line;
  for (const auto& [name, value] : metrics) {
    const std::size_t slash = name.find('/');
    const std::string metric = name.substr(slash + 1);
    if (name.substr(0, slash) != set) {
      if (!line.empty()) say(line);
      set = name.substr(0, slash);
      line = fmt::format("step {:>5}  {}", step, set);
    }
    if (metric != "f1_micro" && metric.find('/') == std::string::npos) line += fmt::format("  {} {:.4f}", metric, value);
  }
  say(line + fmt::format("  ({:.1f} s){}", seconds, best ? "  ← best so far" : ""));
}

void Telemetry::progress(const std::string& what, std::int64_t done, std::int64_t total) {
  now_at("evaluating");
  if (silent_ || !terminal_.there()) return;
  const auto now = std::chrono::steady_clock::now();
  if (std::chrono::duration<double>(now - last_draw_).count() < 0.1) return;
  draw(fmt::format("{} {}/{} rows", what, done, total));
  last_draw_ = now;
}

}  // namespace thaw
