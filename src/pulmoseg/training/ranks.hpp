#pragma once
// Where this process stands among those that train together: told by the environment, as torchrun, mpirun and srun set it.

#include <functional>
#include <string>
#include <string_view>

namespace pulmoseg::training {

/// Ranks count from 0. One rank: an ordinary run, and nothing else here matters.
struct RankPlace {
  int rank = 0, ranks = 1;
  int local_rank = 0;                        ///< among the ranks of this machine: the GPU to take
  std::string master_address = "127.0.0.1";  ///< of rank 0's machine
  int master_port = 29500;                   ///< on which rank 0 keeps the common store
  bool launcher_keeps_store = false;         ///< torchrun does so itself, on the same port
  std::string store_prefix;                  ///< keeps apart what an earlier attempt left in torchrun's store
  int patience = 15;                         ///< seconds without a sign of life after which a rank counts as dead
};

/// From a variable's name to its value; null or empty where it is not set. std::getenv is one.
using Environment = std::function<const char*(const char*)>;

/// The place that the environment tells. The first of these that is there counts:
///   RANK, WORLD_SIZE, LOCAL_RANK                   torchrun, or set by hand
///   OMPI_COMM_WORLD_RANK, _SIZE, _LOCAL_RANK       mpirun of Open MPI
///   SLURM_PROCID, SLURM_STEP_NUM_TASKS, _LOCALID   srun. (SLURM_NTASKS also stands in the batch script, outside of srun.)
/// MASTER_ADDR and MASTER_PORT always count. Where MASTER_ADDR is missing: 127.0.0.1 if all ranks are on one machine, the
/// first machine of SLURM_STEP_NODELIST under srun. Where MASTER_PORT is missing: 29500, under srun 20000 to 29999 by job.
/// PULMOSEG_HEARTBEAT_SECONDS is the patience.
/// UsageError that names the variable when a value is missing or cannot be.
RankPlace rank_place(const Environment& environment);

/// The first machine of Slurm's list: "gpu[03-05,9],login" gives "gpu03".
std::string first_host(std::string_view slurm_node_list);

}  // namespace pulmoseg::training
