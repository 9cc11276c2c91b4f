#include "launcher/slurm/script.h"

#include <fmt/format.h>

#include "framework/base/text.h"
#include "launcher/slurm/quoting.h"

namespace thaw {
namespace {

std::string words(const std::vector<std::string>& list) {
  std::string out;
  for (const std::string& word : list) out += (out.empty() ? "" : " ") + shell_quoted(word);
  return out;
}

std::string what_to_train(const JobScript& job) {
  std::string out =
      fmt::format("thaw={}\nrecipe={}\noverrides=({})\n", shell_quoted(job.thaw), shell_quoted(job.recipe), words(job.overrides));
  if (job.sweep.empty()) return out + fmt::format("run={}\n", shell_quoted(job.run));
  out += "case $SLURM_ARRAY_TASK_ID in\n";
  for (std::size_t i = 0; i < job.sweep.size(); ++i)
    out += fmt::format("  {}) run={} overrides+=({}) ;;\n", i, shell_quoted(job.sweep[i].output_dir), words(job.sweep[i].overrides));
  return out + "esac\n";
}

std::string setup_of(const JobScript& job) {
  if (job.setup_file.empty()) return "";
  // It may have chosen `set -e`, with which the script would end before the run is put back into the queue.
  return fmt::format("\n# ---- {}\n{}{}set +eu\n# ----\n", printable(shell_quoted(job.setup_file)), job.setup,
                     job.setup.empty() || job.setup.back() == '\n' ? "" : "\n");
}

constexpr const char* before_start = R"bash(
unset SLURM_EXPORT_ENV # after --export=NONE, steps would see nothing of this environment
job=${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_JOB_ID:+_$SLURM_ARRAY_TASK_ID}
echo "thaw: job $job, start $((1 + ${SLURM_RESTART_COUNT:-0})), on $SLURM_JOB_NODELIST"
)bash";

constexpr const char* signals = R"bash(
# The program saves a checkpoint and ends when it gets USR2. Slurm gives TERM before it kills.
launcher='' asked='' interrupted=''
ask_to_stop() {
  asked=yes interrupted=yes
  [ -z "$launcher" ] || kill -USR2 "$launcher" 2>/dev/null
}
trap ask_to_stop USR2 TERM
)bash";

constexpr const char* with_mpirun = R"bash(
# mpirun answers TERM by killing its ranks, after twice so many seconds: about the time that Slurm leaves them (KillWait).
export OMPI_MCA_odls_base_sigkill_timeout=${OMPI_MCA_odls_base_sigkill_timeout:-15}
# Each rank takes its share of the node's cores by itself. mpirun starts a daemon a node by srun, which must have them all.
export OMPI_MCA_hwloc_base_binding_policy=none
unset SLURM_CPUS_PER_TASK SRUN_CPUS_PER_TASK
)bash";

constexpr const char* with_srun = R"bash(
# srun does not take this over from sbatch by itself.
[ -z "${SLURM_CPUS_PER_TASK:-}" ] || export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK
# Slurm 22.05 mixes two ways of waiting for all tasks, and may let one go on before another is there (a crash in MPI_Init).
export SLURM_PMIX_FENCE=${SLURM_PMIX_FENCE:-tree}
)bash";

std::string start(const JobScript& job) {
  const bool srun = job.launcher == JobScript::Launcher::srun;
  std::string command;
  if (job.launcher == JobScript::Launcher::thaw) {
    command = "\"$thaw\" launch --no-page";
  } else {
    command = srun ? "srun --mpi=pmix --kill-on-bad-exit=1" : "mpirun";
    if (!job.container.empty()) command += " apptainer exec --nv " + shell_quoted(job.container);
    command += " \"$thaw\" train --stopped-exit-code 0";
  }
  return std::string(srun ? with_srun : with_mpirun) + fmt::format(R"bash(
# What became of the run stands in its status.json. A launcher has exit codes of its own (1 after TERM, 137), and takes ranks
# that end with 75 for crashed: they say 0 instead.
status() {{ cat "$run/status.json" 2>/dev/null; }}
before=$(status)
code=75
if [ -z "$asked" ]; then
  {} "$recipe" "${{overrides[@]}}" &
  launcher=$!
  [ -z "$asked" ] || ask_to_stop
  # A trapped signal ends `wait` before the launcher has ended.
  while
    interrupted=''
    wait "$launcher"
    code=$?
    [ -n "$interrupted" ]
  do :; done
fi
after=$(status)
if [ $code = 0 ] || [ "$after" != "$before" ]; then
  case $after in
    *'"state": "stopped"'*) code=75 ;;
    *'"state": "done"'*) code=0 ;;
  esac
fi
# Asked to stop, but ended before it could save (140: before it listened to USR2): it goes on from its last checkpoint.
[ $code != 140 ] || asked=yes
[ -z "$asked" ] || case $code in
  0 | 64 | 65 | 66 | 70 | 73 | 74) ;;
  *) code=75 ;;
esac
)bash",
                                                                   command);
}

constexpr const char* put_back = R"bash(
# A job that was cancelled, or that a preemption puts back by itself, is not running any more.
if [ $code = 75 ]; then
  if [ "${SLURM_RESTART_COUNT:-0}" -ge $max_requeues ]; then
    echo "thaw: put back into the queue $max_requeues times, and not once more; submit it again to go on"
  elif [ "$(squeue --noheader --jobs="$job" --format=%T)" = RUNNING ]; then
    echo "thaw: job $job goes back into the queue and on from its checkpoint"
    scontrol requeue "$job" || echo "thaw: this site does not allow that; thaw submit --no-requeue makes a chain of jobs instead"
  fi
fi
exit $code
)bash";

// One run of a sweep says nothing about the others: their chain goes on.
constexpr const char* end_chain = R"bash(
# The chain's next job starts when this one has ended with an error. Where it would find the same, the rest is cancelled.
case $code in
  64 | 65 | 66 | 70 | 73) [ -n "${SLURM_ARRAY_JOB_ID:-}" ] || xargs scancel --state=PENDING <"$chain" ;;
esac
exit $code
)bash";

}  // namespace

std::vector<SbatchOption> sbatch_options(const JobScript& job) {
  std::vector<SbatchOption> options = job.options;
  if (!job.sweep.empty())
    options.push_back({"--array", fmt::format("0-{}{}", job.sweep.size() - 1, job.at_once > 0 ? fmt::format("%{}", job.at_once) : "")});
  // Without B: a signal goes to srun's tasks, with it to the script: mpirun is a child of the script, no task.
  const bool to_script = job.launcher != JobScript::Launcher::srun;
  options.push_back({"--signal", fmt::format("{}USR2@{}", to_script ? "B:" : "", job.signal_ahead)});
  options.push_back({job.requeue ? "--requeue" : "--no-requeue", ""});
  options.push_back({"--open-mode", "append"});
  // The supervisor goes on with the nodes that are left.
  if (job.launcher == JobScript::Launcher::thaw) options.push_back({"--no-kill", ""});
  return options;
}

std::string write_script(const JobScript& job) {
  std::string out = fmt::format("#!/bin/bash\n# Written by: {}\n", job.asked);
  for (const SbatchOption& option : sbatch_options(job)) {
    const bool word = option.name.starts_with("--");
    out += fmt::format("#SBATCH {}{}{}\n", option.name,
                       option.value.empty() ? ""
                       : word               ? "="
                                            : " ",
                       option.value.empty() ? "" : sbatch_quoted(option.value));
  }
  out += "\n" + what_to_train(job);
  if (job.requeue) out += fmt::format("max_requeues={}\n", job.max_requeues);
  else out += fmt::format("chain={}\n", shell_quoted(job.chain_file));
  out += signals + setup_of(job) + before_start + start(job) + (job.requeue ? put_back : end_chain);
  return out;
}

}  // namespace thaw
