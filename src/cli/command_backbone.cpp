// pulmoseg backbone: the weights of a 3-D chest-CT ResNet into a 2-D backbone for `pulmoseg train --init`.

#include <fmt/format.h>

#include "commands.hpp"
#include "common.hpp"
#include "pulmoseg/model/backbone.hpp"
#include "pulmoseg/model/weights.hpp"

namespace pulmoseg::cli {
namespace {

constexpr const char* manual =
    R"(SOURCE holds the weights of an inflated 3-D ResNet-50, -101 or -152 under torchvision's names, its
kernels indexed (depth, x, y) with x to the patient's right and y to anterior. Kernels are summed over
depth and turned to our pictures (rows to posterior, columns to the patient's left), each stage keeps
its first 3, 4, 6 and 3 blocks, and the first convolution is summed to one channel.

scripts/fetch_backbone.sh fetches such weights and runs this command.)";

struct Arguments {
  std::string source, out;
  bool json = false;
};

void run_backbone(const Arguments& arguments) {
  const auto backbone = model::backbone_from_3d(model::read_weights(arguments.source), arguments.source);
  model::write_weights(backbone, arguments.out);
  std::int64_t values = 0;
  for (const auto& [name, tensor] : backbone) values += tensor.numel();
  if (arguments.json) {
    print_json({{"schema", "pulmoseg.backbone/1"},
                {"research_use", research_use},
                {"file", arguments.out},
                {"tensors", backbone.size()},
                {"values", values}});
  } else {
    print_line(
        fmt::format("{}: {} tensors, {} values, for pulmoseg train --init", arguments.out, backbone.size(), values));
  }
}

}  // namespace

void add_backbone_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("backbone", "Turn a 3-D chest-CT ResNet into a 2-D backbone for `train --init`");
  command->footer(manual);
  command->add_option("SOURCE", arguments->source, "Weights of the 3-D network (.pth or .safetensors)")->required();
  command->add_option("-o,--out", arguments->out, "File to write (.pth or .safetensors)")->required();
  command->add_flag("--json", arguments->json, "Print the result as JSON");
  command->callback([arguments] { run_backbone(*arguments); });
}

}  // namespace pulmoseg::cli
