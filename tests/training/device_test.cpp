#include "pulmoseg/training/device.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "fixture.hpp"
#include "pulmoseg/base/error.hpp"

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

TEST(Device, Bfloat16IsFastWhereTheSystemListsTheInstructions) {
  std::ifstream file("/proc/cpuinfo");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text.find("flags") == std::string::npos) GTEST_SKIP() << "this system does not list x86 flags";
  EXPECT_EQ(has_fast_bfloat16(),
            text.find("avx512_bf16") != std::string::npos || text.find("amx_bf16") != std::string::npos);
  EXPECT_NE(text.find(processor_name()), std::string::npos);
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
