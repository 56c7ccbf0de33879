#include "segment_model.hpp"

#include <fmt/format.h>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::cli {

namespace fs = std::filesystem;

fs::path shipped_model() {
  const fs::path name = "models/lung-lesion.onnx";
  const fs::path program = fs::read_symlink("/proc/self/exe").parent_path();
  const fs::path installed = program.parent_path() / "share/pulmoseg" / name,
                 source = fs::path(PULMOSEG_SOURCE_DIR) / name;
  for (const fs::path& file : {installed, source}) {
    if (fs::exists(file)) return file;
  }
  throw Error(
      fmt::format("the model that ships with the program is missing: neither {} nor {} is there; install it "
                  "again, or name a model with --model",
                  installed.string(), source.string()));
}

}  // namespace pulmoseg::cli
