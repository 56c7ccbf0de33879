#include "pulmoseg/training/ranks.hpp"

#include <gtest/gtest.h>

#include <map>

#include "fixture.hpp"
#include "pulmoseg/base/error.hpp"

namespace pulmoseg::training {
namespace {

using Variables = std::map<std::string, std::string>;

RankPlace place_in(const Variables& variables) {
  return rank_place([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

std::string message_in(const Variables& variables) {
  return test::message_of<UsageError>([&] { place_in(variables); });
}

TEST(RankPlace, AnOrdinaryRunIsAlone) {
  EXPECT_EQ(place_in({}).ranks, 1);
  EXPECT_EQ(place_in({{"RANK", "3"}}).ranks, 1);  // somebody else's variable
  EXPECT_EQ(place_in({{"RANK", "0"}, {"WORLD_SIZE", "1"}}).ranks, 1);
  // A batch script of Slurm, outside of srun, and a shell that srun opened.
  EXPECT_EQ(place_in({{"SLURM_NTASKS", "4"}, {"SLURM_PROCID", "0"}, {"SLURM_JOB_ID", "7"}}).ranks, 1);
  EXPECT_EQ(place_in({{"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_PROCID", "0"}}).ranks, 1);
}

TEST(RankPlace, ByTorchrun) {
  const Variables variables{{"RANK", "5"},
                            {"WORLD_SIZE", "8"},
                            {"LOCAL_RANK", "1"},
                            {"LOCAL_WORLD_SIZE", "4"},
                            {"MASTER_ADDR", "node1"},
                            {"MASTER_PORT", "1234"},
                            {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                            {"TORCHELASTIC_RESTART_COUNT", "2"},
                            {"OMPI_COMM_WORLD_SIZE", "2"}};
  const RankPlace place = place_in(variables);
  EXPECT_EQ(place.rank, 5);
  EXPECT_EQ(place.ranks, 8);
  EXPECT_EQ(place.local_rank, 1);
  EXPECT_EQ(place.master_address, "node1");
  EXPECT_EQ(place.master_port, 1234);
  EXPECT_TRUE(place.launcher_keeps_store);
  EXPECT_EQ(place.store_prefix, "attempt 2/");
  EXPECT_EQ(place.patience, 15);
}

TEST(RankPlace, ByMpirun) {
  Variables variables{{"OMPI_COMM_WORLD_RANK", "1"},       {"OMPI_COMM_WORLD_SIZE", "4"},
                      {"OMPI_COMM_WORLD_LOCAL_RANK", "1"}, {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"},
                      {"SLURM_STEP_NUM_TASKS", "2"},       {"PULMOSEG_HEARTBEAT_SECONDS", "60"}};
  const RankPlace place = place_in(variables);
  EXPECT_EQ(place.rank, 1);
  EXPECT_EQ(place.ranks, 4);
  EXPECT_EQ(place.master_address, "127.0.0.1");
  EXPECT_EQ(place.master_port, RankPlace{}.master_port);
  EXPECT_FALSE(place.launcher_keeps_store);
  EXPECT_EQ(place.patience, 60);
  variables["OMPI_COMM_WORLD_LOCAL_SIZE"] = std::string("2");
  variables.insert(
      {{"SLURM_STEP_NUM_NODES", "1"}, {"SLURM_STEP_NODELIST", "gpu03"}, {"SLURM_JOB_ID", "7"}});  // not srun's
  EXPECT_EQ(message_in(variables),
            "MASTER_ADDR is not set, expected the address of rank 0's machine, where the 4 ranks meet (e.g. mpirun -x "
            "MASTER_ADDR=node1)");
}

TEST(RankPlace, BySrun) {
  Variables variables{{"SLURM_PROCID", "3"},       {"SLURM_STEP_NUM_TASKS", "4"},
                      {"SLURM_LOCALID", "1"},      {"SLURM_STEP_NUM_NODES", "2"},
                      {"SLURM_JOB_ID", "1234567"}, {"SLURM_STEP_NODELIST", "gpu[03-04]"}};
  const RankPlace place = place_in(variables);
  EXPECT_EQ(place.rank, 3);
  EXPECT_EQ(place.local_rank, 1);
  EXPECT_EQ(place.master_address, "gpu03");
  EXPECT_EQ(place.master_port, 24567);
  variables["SLURM_STEP_NUM_NODES"] = std::string("1");
  EXPECT_EQ(place_in(variables).master_address, "127.0.0.1");
}

TEST(RankPlace, TheFirstHostOfSlurmsList) {
  EXPECT_EQ(first_host("node7"), "node7");
  EXPECT_EQ(first_host("node7,node8"), "node7");
  EXPECT_EQ(first_host("gpu[03-05,9],login"), "gpu03");
  EXPECT_EQ(first_host("gpu[7,9]"), "gpu7");
  EXPECT_EQ(first_host("login,gpu[1-2]"), "login");
}

TEST(RankPlace, WhatCannotBeIsNamed) {
  EXPECT_EQ(message_in({{"WORLD_SIZE", "two"}, {"RANK", "0"}}),
            "WORLD_SIZE is two, expected a number from 1 to 1048576");
  EXPECT_EQ(message_in({{"WORLD_SIZE", "2"}, {"RANK", "2"}}), "RANK is 2, expected a number from 0 to 1");
  EXPECT_EQ(message_in({{"WORLD_SIZE", "2"}}),
            "WORLD_SIZE is 2, but RANK is not set; start all ranks by torchrun, mpirun or srun");
  EXPECT_EQ(message_in({{"WORLD_SIZE", "2"}, {"RANK", "1"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "99999"}}),
            "MASTER_PORT is 99999, expected a number from 1 to 65535");
}

}  // namespace
}  // namespace pulmoseg::training
