#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>

#include "support/data.hpp"

namespace pulmoseg::test {
namespace fs = std::filesystem;

fs::path development_data(const fs::path& name) {
  const char* named = std::getenv("PULMOSEG_DATA");
  const fs::path folder = named ? fs::path(named) : fs::path(PULMOSEG_SOURCE_DIR) / "../shared/data";
  return fs::weakly_canonical(folder) / name;
}

fs::path repository_file(const fs::path& name) { return fs::path(PULMOSEG_SOURCE_DIR) / name; }

fs::path program() { return fs::path(PULMOSEG_BINARY_DIR) / "src/cli/pulmoseg"; }

TemporaryFolder::TemporaryFolder() {
  std::string name = (fs::temp_directory_path() / "pulmoseg-test-XXXXXX").string();
  if (!::mkdtemp(name.data())) throw std::runtime_error("no temporary folder: " + name);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

ProgramResult run_program(const std::vector<std::string>& arguments, const std::function<bool()>& interrupt_when) {
  const TemporaryFolder folder;
  const std::string program_name = program().string();
  std::vector<char*> argv{const_cast<char*>(program_name.c_str())};
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const auto out = (folder / "out").string(), err = (folder / "err").string();

  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT, 0600), STDOUT_FILENO);
    ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT, 0600), STDERR_FILENO);
    ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
    ::setenv("PULMOSEG_CACHE", "", /*overwrite=*/0);  // nothing outlives a test
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  int status = 0;
  pid_t ended = 0;
  while (interrupt_when && (ended = ::waitpid(child, &status, WNOHANG)) == 0) {
    if (interrupt_when()) {
      ::kill(child, SIGINT);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  if (ended == 0) ::waitpid(child, &status, 0);
  const auto content = [](const std::string& file) {
    std::ifstream stream(file, std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(stream), {}};
  };
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), content(out), content(err)};
}

}  // namespace pulmoseg::test
