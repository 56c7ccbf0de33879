#include "pulmoseg/training/ranks.hpp"

#include <fmt/format.h>

#include <optional>
#include <string_view>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"

namespace pulmoseg::training {
namespace {

/// local_ranks is null for srun, which tells the number of machines instead. Its variables may also stand around where another
/// launcher was started from a Slurm job, and then mean that job.
struct Launcher {
  const char *rank, *ranks, *local_rank, *local_ranks;
  bool is_srun() const { return !local_ranks; }
};
constexpr Launcher launchers[] = {
    {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"},
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"},
    {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", nullptr}};

std::string_view text_of(const Environment& environment, const char* name) {
  const char* value = name ? environment(name) : nullptr;
  return value ? value : "";
}

/// Within `lowest` to `highest`, or nothing where the variable is not set.
std::optional<int> number_of(const Environment& environment, const char* name, int lowest, int highest) {
  const std::string_view text = text_of(environment, name);
  if (text.empty()) return std::nullopt;
  const auto number = parse_number<int>(text);
  if (number && *number >= lowest && *number <= highest) return number;
  throw UsageError(fmt::format("{} is {}, expected a number from {} to {}", name, text, lowest, highest));
}

bool on_one_machine(const Environment& environment, const Launcher& launcher, int ranks) {
  if (launcher.is_srun()) return text_of(environment, "SLURM_STEP_NUM_NODES") == "1";
  return number_of(environment, launcher.local_ranks, 1, ranks) == ranks;
}

std::string master_address(const Environment& environment, const Launcher& launcher, int ranks) {
  const std::string_view given = text_of(environment, "MASTER_ADDR");
  if (!given.empty()) return std::string(given);
  if (on_one_machine(environment, launcher, ranks)) return "127.0.0.1";
  const std::string_view nodes = text_of(environment, "SLURM_STEP_NODELIST");
  if (launcher.is_srun() && !nodes.empty()) return first_host(nodes);
  throw UsageError(
      fmt::format("MASTER_ADDR is not set, expected the address of rank 0's machine, where the {} ranks meet "
                  "(e.g. mpirun -x MASTER_ADDR=node1)",
                  ranks));
}

int default_port(const Environment& environment, const Launcher& launcher) {
  const auto job = parse_number<std::int64_t>(text_of(environment, "SLURM_JOB_ID"));
  return launcher.is_srun() && job ? static_cast<int>(20000 + *job % 10000) : RankPlace{}.master_port;
}

RankPlace place_by(const Launcher& launcher, const Environment& environment, int ranks) {
  const auto rank = number_of(environment, launcher.rank, 0, ranks - 1);
  if (!rank) {
    throw UsageError(fmt::format("{} is {}, but {} is not set; start all ranks by torchrun, mpirun or srun",
                                 launcher.ranks, ranks, launcher.rank));
  }
  RankPlace place;
  place.rank = *rank;
  place.ranks = ranks;
  if (ranks == 1) return place;
  place.local_rank = number_of(environment, launcher.local_rank, 0, ranks - 1).value_or(0);
  place.master_address = master_address(environment, launcher, ranks);
  place.master_port = number_of(environment, "MASTER_PORT", 1, 65535).value_or(default_port(environment, launcher));
  place.patience = number_of(environment, "PULMOSEG_HEARTBEAT_SECONDS", 1, 3600).value_or(place.patience);
  if (text_of(environment, "TORCHELASTIC_USE_AGENT_STORE") == "True") {
    place.launcher_keeps_store = true;
    place.store_prefix = fmt::format("attempt {}/", text_of(environment, "TORCHELASTIC_RESTART_COUNT"));
  }
  return place;
}

}  // namespace

RankPlace rank_place(const Environment& environment) {
  constexpr int highest = 1 << 20;
  for (const Launcher& launcher : launchers) {
    if (const auto ranks = number_of(environment, launcher.ranks, 1, highest))
      return place_by(launcher, environment, *ranks);
  }
  return {};
}

std::string first_host(std::string_view list) {
  const auto bracket = list.find('['), comma = list.find(',');
  if (bracket == list.npos || comma < bracket) return std::string(list.substr(0, comma));
  const std::string_view numbers = list.substr(bracket + 1);
  return std::string(list.substr(0, bracket)) + std::string(numbers.substr(0, numbers.find_first_of("-,]")));
}

}  // namespace pulmoseg::training
