// Opens the library of the commands that need LibTorch.

#include <dlfcn.h>
#include <fmt/format.h>

#include "pulmoseg/base/error.hpp"
#include "torch_commands.hpp"

namespace pulmoseg::cli {

void* torch_function(const char* name) {
  constexpr const char* file = "libpulmoseg_torch_commands.so";
  // Global, as if it were linked: what LibTorch itself opens (its CUDA part) looks for LibTorch's symbols.
  void* const library = ::dlopen(file, RTLD_NOW | RTLD_GLOBAL);  // once for all: it counts
  if (!library) throw Error(fmt::format("{}: cannot be opened: {}; install pulmoseg again", file, ::dlerror()));
  if (void* function = ::dlsym(library, name)) return function;
  throw Error(fmt::format("{}: has no {}; install pulmoseg again", file, name));
}

}  // namespace pulmoseg::cli
