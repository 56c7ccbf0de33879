#include "pulmoseg/training/device.hpp"

#include <ATen/cpu/Utils.h>
#include <gtest/gtest.h>

#include "fixture.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/processor.hpp"

namespace pulmoseg::training {
namespace {

TEST(Device, AGpuThatIsNotThereIsNamed) {
  EXPECT_TRUE(open_device("cpu").is_cpu());
  std::string message;
  try {
    EXPECT_TRUE(open_device("cuda").is_cuda());
    GTEST_SKIP() << "this machine has a usable GPU";
  } catch (const Error& error) {
    message = error.what();
  }
  EXPECT_TRUE(message.starts_with("--device cuda: ")) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

TEST(Device, Bfloat16IsFastWhereLibTorchSeesTheInstructions) {
  const auto capabilities = at::cpu::get_cpu_capabilities();
  const auto has = [&](const char* name) {
    const auto found = capabilities.find(name);
    return found != capabilities.end() && found->second.isBool() && found->second.toBool();
  };
  EXPECT_EQ(has_fast_bfloat16(), has("avx512_bf16") || has("amx_bf16"));
}

TEST(Device, AutocastComputesInBfloat16AndEnds) {
  const auto a = torch::randn({4, 4});
  {
    const Autocast autocast(true, torch::kCPU);
    EXPECT_EQ(torch::matmul(a, a).scalar_type(), torch::kBFloat16);
  }
  EXPECT_EQ(torch::matmul(a, a).scalar_type(), torch::kFloat32);
  const Autocast off(false, torch::kCPU);
  EXPECT_EQ(torch::matmul(a, a).scalar_type(), torch::kFloat32);
}

}  // namespace
}  // namespace pulmoseg::training
