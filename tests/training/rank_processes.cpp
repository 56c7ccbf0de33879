#include "rank_processes.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <random>

#include "pulmoseg/base/output_file.hpp"

namespace pulmoseg::test {

std::filesystem::path rank_program() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "training_rank";
}

Process::Process(const std::vector<std::string>& command, const Environment& environment) {
  const std::string messages = folder_ / "messages";
  std::vector<char*> arguments;
  for (const auto& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  id_ = ::fork();
  if (id_ != 0) return;
  ::setpgid(0, 0);  // a launcher and what it starts end together
  for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
  const int file = ::open(messages.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(file, STDERR_FILENO);
  ::dup2(file, STDOUT_FILENO);
  ::execvp(arguments[0], arguments.data());
  ::_exit(127);
}

Process::~Process() {
  if (id_ <= 0) return;
  ::kill(-id_, SIGKILL);
  ::waitpid(id_, nullptr, 0);
}

RankEnd Process::wait() {
  int status = 0;
  ::waitpid(id_, &status, 0);
  id_ = -1;
  return {.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status),
          .messages = read_file(folder_ / "messages"),
          .after = std::chrono::steady_clock::now() - start_};
}

std::vector<RankEnd> run_ranks(int ranks, const std::vector<std::string>& arguments, const Environment& environment) {
  Environment all{{"WORLD_SIZE", std::to_string(ranks)}, {"MASTER_ADDR", "127.0.0.1"}, {"MASTER_PORT", free_port()}};
  for (const auto& [name, value] : environment) all[name] = value;
  std::vector<std::string> command{rank_program()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  std::vector<std::unique_ptr<Process>> processes;
  for (int rank = 0; rank < ranks; ++rank) {
    all["RANK"] = std::to_string(rank);
    processes.push_back(std::make_unique<Process>(command, all));
  }
  std::vector<RankEnd> ends;
  for (const auto& process : processes) ends.push_back(process->wait());
  return ends;
}

// Not one of those that the kernel hands out to clients: another test's client might get it before the rank that listens.
std::string free_port() {
  std::random_device random;
  while (true) {
    const auto port = static_cast<std::uint16_t>(10000 + random() % 20000);
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    address.sin_port = ::htons(port);
    const bool is_free = ::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(socket);
    if (is_free) return std::to_string(port);
  }
}

}  // namespace pulmoseg::test
