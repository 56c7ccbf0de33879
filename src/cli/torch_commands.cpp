#include "torch_commands.hpp"

#include "commands.hpp"

namespace pulmoseg::cli {

extern "C" void pulmoseg_add_torch_commands(CLI::App& app) { add_torch_commands(app); }

}  // namespace pulmoseg::cli
