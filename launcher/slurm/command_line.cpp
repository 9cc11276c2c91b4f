#include "launcher/slurm/command_line.h"

#include <CLI/CLI.hpp>
#include <utility>

#include "framework/base/error.h"

namespace thaw {
namespace {

struct Passed {
  const char *names, *help;  // no help: not listed by --help
};

constexpr Passed passed[] = {
    {"-N,--nodes", "Nodes"},
    {"--gpus-per-node", "GPUs of a node; as many ranks, where neither --ntasks nor --ntasks-per-node says otherwise"},
    {"--ntasks-per-node", "Ranks of a node"},
    {"-c,--cpus-per-task", "Cores of a rank"},
    {"-t,--time", "Time limit: 4:00:00, 2-12 (days-hours), 90 (minutes)"},
    {"-p,--partition", "Partition"},
    {"-A,--account", "Account that is charged"},
    {"-q,--qos", "Quality of service"},
    {"-C,--constraint", "Features that nodes must have"},
    {"--mem", "Memory of a node: 64G"},
    {"-x,--exclude", "Nodes to keep away from"},
    {"-n,--ntasks", nullptr},
    {"-J,--job-name", nullptr},
    {"-o,--output", nullptr},
    {"-e,--error", nullptr},
    {"-i,--input", nullptr},
    {"-G,--gpus", nullptr},
    {"-w,--nodelist", nullptr},
    {"-F,--nodefile", nullptr},
    {"-b,--begin", nullptr},
    {"-d,--dependency", nullptr},
    {"-L,--licenses", nullptr},
    {"-M,--clusters", nullptr},
    {"-m,--distribution", nullptr},
    {"-S,--core-spec", nullptr},
    {"-B,--extra-node-info", nullptr},
    {"--gpus-per-task", nullptr},
    {"--gpus-per-socket", nullptr},
    {"--cpus-per-gpu", nullptr},
    {"--mem-per-cpu", nullptr},
    {"--mem-per-gpu", nullptr},
    {"--mem-bind", nullptr},
    {"--mincpus", nullptr},
    {"--gres", nullptr},
    {"--gres-flags", nullptr},
    {"--gpu-bind", nullptr},
    {"--gpu-freq", nullptr},
    {"--tmp", nullptr},
    {"--tres-per-task", nullptr},
    {"--tres-bind", nullptr},
    {"--reservation", nullptr},
    {"--cluster-constraint", nullptr},
    {"--batch", nullptr},
    {"--prefer", nullptr},
    {"--switches", nullptr},
    {"--time-min", nullptr},
    {"--deadline", nullptr},
    {"--delay-boot", nullptr},
    {"--ntasks-per-core", nullptr},
    {"--ntasks-per-gpu", nullptr},
    {"--ntasks-per-socket", nullptr},
    {"--sockets-per-node", nullptr},
    {"--cores-per-socket", nullptr},
    {"--threads-per-core", nullptr},
    {"--thread-spec", nullptr},
    {"--segment", nullptr},
    {"--hint", nullptr},
    {"--cpu-freq", nullptr},
    {"--power", nullptr},
    {"--priority", nullptr},
    {"--mail-type", nullptr},
    {"--mail-user", nullptr},
    {"--mcs-label", nullptr},
    {"--comment", nullptr},
    {"--extra", nullptr},
    {"--wckey", nullptr},
    {"--profile", nullptr},
    {"--acctg-freq", nullptr},
    {"--bb", nullptr},
    {"--bbf", nullptr},
    {"--network", nullptr},
    {"--export", nullptr},
    {"--export-file", nullptr},
    {"--container-id", nullptr},
    {"--uid", nullptr},
    {"--gid", nullptr},
};

// What the script is about: given beside it, one of the two would not work.
constexpr std::pair<const char*, const char*> ours[] = {
    {"-a,--array", "--sweep makes the array, and --at-once N limits how many of its runs there are at a time"},
    {"--signal", "--signal-ahead SECONDS says how long before the time limit the run is told to save and stop"},
    {"--open-mode", "the output of all starts of a job is kept in one file"},
    {"-D,--chdir", "paths in a recipe are those of the directory in which thaw submit is started: start it in that one"},
    {"--wrap", "the script is thaw submit's"},
    {"--kill-on-invalid-dep", "--no-requeue sees to it"},
};

CLI::Option* add_one(CLI::App& command, const char* names, const char* help) {
  // CLI11 keeps the text; nothing of it is wanted but what was on the command line.
  CLI::Option* const option = command.add_option(
      names, [](const CLI::results_t&) { return true; }, help == nullptr ? "" : help);
  option->group(help == nullptr ? "" : "Passed to sbatch")->take_last()->type_name("TEXT");
  return option;
}

// `--exclusive=user`, `-H`: what was not known.
SbatchOption split_option(const std::string& word) {
  if (word.size() < 2 || word.front() != '-') throw UsageError("{}: expected key=value after the recipe, or an option of sbatch", word);
  const std::size_t equals = word.find('=');
  return {word.substr(0, equals), equals == std::string::npos ? "" : word.substr(equals + 1)};
}

}  // namespace

std::optional<std::string> SubmitOptions::value_of(const std::string& name) const {
  std::optional<std::string> value;
  for (const SbatchOption& option : sbatch)
    if (option.name == name) value = option.value;
  return value;
}

std::function<void()> add_submit_options(CLI::App& command, const std::shared_ptr<SubmitOptions>& options) {
  command.add_option("recipe", options->recipe, "The recipe, a YAML file")->required();
  command.add_option("overrides", options->overrides, "key.sub=value: changes to the recipe");
  std::vector<CLI::Option*> given;
  for (const Passed& one : passed) given.push_back(add_one(command, one.names, one.help));
  command.add_option("--sweep", options->sweep, "key=a,b,c or key=1..5, several of them: a run for every combination, as one job array")
      ->type_name("KEY=VALUES");
  command.add_option("--at-once", options->at_once, "So many of a sweep's runs at a time")->check(CLI::PositiveNumber);
  command.add_option("--setup", options->setup_file, "A file of shell commands for the start of the script: module load …");
  command.add_option("--container", options->container, "An Apptainer image with thaw in it; the launcher stays outside");
  command
      .add_option("--launcher", options->launcher,
                  "mpirun (the default), srun (--mpi=pmix), or thaw: `thaw launch`, with which the job outlives a node")
      ->check(CLI::IsMember({"mpirun", "srun", "thaw"}));
  command.add_option("--signal-ahead", options->signal_ahead, "Seconds before the time limit at which the run saves and stops (120)")
      ->check(CLI::Range(1, 65535));
  command
      .add_option("--max-requeues", options->max_requeues,
                  "How often the job goes back into the queue (20), or how many jobs of a chain follow the first (4)")
      ->check(CLI::Range(0, 1000));
  command.add_flag("--no-requeue", options->no_requeue,
                   "Where requeueing is forbidden: a chain of jobs, each going on where the one before stopped");
  command.add_flag("--dry-run", options->dry_run, "Print the script, and submit nothing");
  command.add_flag("--json", options->json, "Say what was submitted in JSON");
  std::vector<std::pair<CLI::Option*, const char*>> refused;
  for (const auto& [names, why] : ours) refused.emplace_back(add_one(command, names, nullptr), why);
  command.allow_extras();
  return [&command, options, given, refused] {
    for (const auto& [option, why] : refused)
      if (option->count() > 0) throw UsageError("{}: cannot be given here: {}", option->get_name(), why);
    for (const CLI::Option* option : given)
      if (option->count() > 0) options->sbatch.push_back({"--" + option->get_lnames().front(), option->results().back()});
    for (const std::string& word : command.remaining()) {
      SbatchOption option = split_option(word);
      if (option.name != "--requeue" && option.name != "--parsable") options->sbatch.push_back(std::move(option));
    }
  };
}

}  // namespace thaw
