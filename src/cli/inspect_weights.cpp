#include <fmt/format.h>

#include "inspect_facts.hpp"
#include "pulmoseg/base/error.hpp"
#include "torch_commands.hpp"

namespace pulmoseg::cli {

InspectedFile inspect_weights(const std::filesystem::path& weights) {
#ifdef PULMOSEG_TRAINING
  const auto inspect =
      reinterpret_cast<decltype(&pulmoseg_inspect_weights)>(torch_function("pulmoseg_inspect_weights"));
  InspectedFile result;
  inspect(weights, result);
  return result;
#else
  throw Error(
      fmt::format("{}: this pulmoseg was built without LibTorch and reads no weights; inspect the model's .onnx",
                  weights.string()));
#endif
}

}  // namespace pulmoseg::cli
