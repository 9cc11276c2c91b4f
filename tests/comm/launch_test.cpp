// How whole jobs end: one rank fails, a launcher of another MPI, a missing library. Each runs test_ranks under a launcher.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>

#include "framework/base/error.h"

namespace thaw {
namespace {

namespace fs = std::filesystem;

struct Ended {
  int code;
  std::string output;
  double seconds;
};

Ended run(const std::string& command) {
  const auto start = std::chrono::steady_clock::now();
  const std::string whole =
      "env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 "
      "ASAN_OPTIONS=detect_leaks=0 "
      "timeout -k 1 40 " +
      command + " 2>&1 </dev/null";
  std::FILE* const pipe = ::popen(whole.c_str(), "r");
  std::string output;
  char part[4096];
  for (std::size_t bytes; (bytes = std::fread(part, 1, sizeof part, pipe)) > 0;) output.append(part, bytes);
  const int status = ::pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, output,
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()};
}

const std::string program = THAW_BINARY_DIR "/test_ranks", mpiexec = THAW_MPIEXEC, other_mpiexec = THAW_OTHER_MPIEXEC;
const std::string with_other = THAW_BINARY_DIR "/with-mpich/test_ranks";

void expect_contains(const Ended& ended, const std::string& words) {
  EXPECT_NE(ended.output.find(words), std::string::npos) << words << "\nnot in:\n" << ended.output;
}

TEST(OneRankFails, AllEndWithItsExitCodeWithinSeconds) {
  for (const char* const collective : {"barrier", "all_reduce", "receive"})
    for (const std::string& start : {mpiexec + " -n 3 " + program, other_mpiexec.empty() ? "" : other_mpiexec + " -n 3 " + with_other}) {
      if (start.empty()) continue;
      SCOPED_TRACE(start + " fail-in-" + collective);
      const Ended ended = run(start + " fail-in-" + collective);
      EXPECT_EQ(ended.code, static_cast<int>(ExitCode::bad_data)) << ended.output;
      EXPECT_LT(ended.seconds, 15);
      expect_contains(ended, "rank 2: row 7: this rank alone saw it");
    }
}

// An error that leaves the communicator's scope must not hang in MPI_Finalize or in an open request.
TEST(OneRankFails, UnwindingDoesNotWait) {
  const Ended ended = run(mpiexec + " -n 2 " + program + " unwind");
  EXPECT_LT(ended.seconds, 15) << ended.output;
  expect_contains(ended, "ends without its peers");
}

// The other MPI's launcher starts two processes that know nothing of each other: refused, before both write one run.
TEST(WrongLauncher, IsRefusedWithTheRightCommand) {
  if (other_mpiexec.empty()) GTEST_SKIP() << "one MPI alone is installed";
  const Ended ours = run(other_mpiexec + " -n 2 " + program);
  EXPECT_EQ(ours.code, 64) << ours.output;
  expect_contains(ours, "PMI_SIZE=2: a launcher started 2 ranks, but Open MPI v");
  expect_contains(ours, "finds each of them alone");
  expect_contains(ours, "mpirun -n 2 thaw");
  const Ended theirs = run(mpiexec + " -n 2 " + with_other);
  EXPECT_EQ(theirs.code, 64) << theirs.output;
  expect_contains(theirs, "OMPI_COMM_WORLD_SIZE=2: a launcher started 2 ranks, but MPICH");
}

// What srun --mpi=none sets (Slurm 22.05): refused before MPI_Init, in which Open MPI would end the process.
TEST(WrongLauncher, SrunWithoutPmixIsToldSo) {
  const Ended ended = run("env -u PMI_SIZE SLURM_STEP_ID=0 SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=4 SLURM_LOCALID=0 " + program);
  EXPECT_EQ(ended.code, 64) << ended.output;
  expect_contains(ended, "SLURM_STEP_NUM_TASKS=4: a launcher started 4 ranks, which cannot find each other");
  expect_contains(ended, "srun --mpi=pmix -n 4 thaw");
}

TEST(MissingLibrary, IsNamedWithTheRemedy) {
  const fs::path folder = fs::path(THAW_BINARY_DIR) / "without-mpi";
  fs::create_directories(folder);
  fs::copy_file(program, folder / "test_ranks", fs::copy_options::overwrite_existing);
  const Ended ended = run("env PMI_RANK=0 PMI_SIZE=2 " + (folder / "test_ranks").string());
  EXPECT_EQ(ended.code, 64) << ended.output;
  expect_contains(ended, "PMI_SIZE=2: a launcher started 2 ranks, but libthaw_mpi.so cannot be loaded");
  expect_contains(ended, "-DTHAW_MPI=ON");
  // Alone it needs no library.
  EXPECT_EQ(run((folder / "test_ranks").string() + " --gtest_filter=Barrier.*").code, 0);
  fs::remove_all(folder);
}

// A library of another version of Thaw is not called into.
TEST(WrongLibrary, IsRefused) {
  const fs::path folder = fs::path(THAW_BINARY_DIR) / "wrong-library";
  fs::create_directories(folder);
  fs::copy_file(program, folder / "test_ranks", fs::copy_options::overwrite_existing);
  ASSERT_EQ(run("sh -c 'echo \"int thaw_mpi_abi(void) { return 1000; }\" | cc -shared -fPIC -x c - -o " +
                (folder / "libthaw_mpi.so").string() + "'")
                .code,
            0);
  const Ended ended = run("env PMI_RANK=0 PMI_SIZE=2 " + (folder / "test_ranks").string());
  EXPECT_EQ(ended.code, 64) << ended.output;
  expect_contains(ended, "found 1000");
  fs::remove_all(folder);
}

}  // namespace
}  // namespace thaw
