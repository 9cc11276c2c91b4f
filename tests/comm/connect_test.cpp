// What a launcher's environment is taken for, and what is refused before any MPI is loaded.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "framework/base/error.h"
#include "framework/comm/communicator.h"

namespace thaw {
namespace {

using Variables = std::map<std::string, std::string>;

// The environment of a launcher, nothing of the one that runs this test.
LaunchedWorld launched_with(const Variables& variables) {
  for (const char* name :
       {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE", "PMI_RANK", "PMI_SIZE",
        "MPI_LOCALRANKID", "MPI_LOCALNRANKS", "PMIX_RANK", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_NODEID",
        "SLURM_STEP_NUM_TASKS", "SLURM_STEP_TASKS_PER_NODE", "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"})
    ::unsetenv(name);
  for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
  return launched_world();
}

void expect_world(const Variables& variables, int rank, int size, int local_rank, int local_size, const char* launcher) {
  const LaunchedWorld world = launched_with(variables);
  EXPECT_EQ(world.rank, rank);
  EXPECT_EQ(world.size, size);
  EXPECT_EQ(world.local_rank, local_rank);
  EXPECT_EQ(world.local_size, local_size);
  EXPECT_EQ(world.launcher, launcher);
}

TEST(LaunchedWorld, EveryLauncher) {
  expect_world({}, 0, 1, 0, 1, "");
  expect_world({{"OMPI_COMM_WORLD_RANK", "5"},
                {"OMPI_COMM_WORLD_SIZE", "8"},
                {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"}},
               5, 8, 1, 4, "OMPI_COMM_WORLD_SIZE");
  expect_world({{"PMI_RANK", "3"}, {"PMI_SIZE", "4"}, {"MPI_LOCALRANKID", "1"}, {"MPI_LOCALNRANKS", "2"}}, 3, 4, 1, 2, "PMI_SIZE");
}

TEST(LaunchedWorld, SlurmSteps) {
  const Variables step{{"SLURM_PROCID", "6"},  {"SLURM_NTASKS", "7"}, {"SLURM_STEP_NUM_TASKS", "7"},
                       {"SLURM_LOCALID", "0"}, {"SLURM_NODEID", "3"}, {"SLURM_STEP_TASKS_PER_NODE", "2(x3),1"}};
  expect_world(step, 6, 7, 0, 1, "SLURM_STEP_NUM_TASKS");
  Variables second_node = step;
  second_node["SLURM_NODEID"] = "1";
  second_node["SLURM_PROCID"] = "3";
  second_node["SLURM_LOCALID"] = "1";
  expect_world(second_node, 3, 7, 1, 2, "SLURM_STEP_NUM_TASKS");
  // PMIx beside it, and PMI-2, whose names for the node are Slurm's.
  second_node["PMIX_RANK"] = "3";
  expect_world(second_node, 3, 7, 1, 2, "SLURM_STEP_NUM_TASKS");
  second_node["PMI_RANK"] = "3";
  second_node["PMI_SIZE"] = "7";
  expect_world(second_node, 3, 7, 1, 2, "PMI_SIZE");
}

// A batch script that calls thaw itself is one process, however many tasks its job may start.
TEST(LaunchedWorld, BatchScriptIsNoStep) {
  const Variables batch{
      {"SLURM_JOB_ID", "12"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}, {"SLURM_LOCALID", "0"}, {"SLURM_NODEID", "0"}};
  expect_world(batch, 0, 1, 0, 1, "");
  EXPECT_STREQ(connect(launched_with(batch))->backend(), "single");
  // mpirun inside it is what counts.
  Variables with_mpirun = batch;
  with_mpirun["OMPI_COMM_WORLD_RANK"] = "1";
  with_mpirun["OMPI_COMM_WORLD_SIZE"] = "2";
  expect_world(with_mpirun, 1, 2, 0, 1, "OMPI_COMM_WORLD_SIZE");
}

TEST(LaunchedWorld, NonsenseIsRefusedByName) {
  for (const char* const bad : {"four", "4x", "-1", "99999999999999999999", " 4", "4 "}) {
    try {
      launched_with({{"PMI_RANK", "0"}, {"PMI_SIZE", bad}});
      FAIL() << bad << " was taken";
    } catch (const UsageError& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      EXPECT_NE(std::string(error.what()).find("PMI_SIZE"), std::string::npos) << error.what();
    }
  }
  EXPECT_THROW(launched_with({{"PMI_RANK", "4"}, {"PMI_SIZE", "4"}}), UsageError);
}

TEST(Connect, AloneIsSingle) {
  const auto comm = connect(launched_with({}));
  EXPECT_STREQ(comm->backend(), "single");
  EXPECT_EQ(comm->size(), 1);
  float value = 3;
  comm->all_reduce(&value, 1, CommType::f32);
  EXPECT_EQ(value, 3);
  float gathered = 0;
  comm->all_gather(&value, sizeof value, &gathered);
  EXPECT_EQ(gathered, 3);
  EXPECT_EQ(comm->all_gather_text("me"), std::vector<std::string>{"me"});
  EXPECT_EQ(comm->split_node()->size(), 1);
  EXPECT_THROW(comm->send(&value, 4, 0, 0), CommError);
  EXPECT_EXIT(comm->abort(74), ::testing::ExitedWithCode(74), "");
}

}  // namespace
}  // namespace thaw
