#include "pulmoseg/base/processor.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace pulmoseg {
namespace {

TEST(Processor, IsWhatTheSystemLists) {
  std::ifstream file("/proc/cpuinfo");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text.find("flags") == std::string::npos) GTEST_SKIP() << "this system does not list x86 flags";
  EXPECT_EQ(has_fast_bfloat16(),
            text.find("avx512_bf16") != std::string::npos || text.find("amx_bf16") != std::string::npos);
  EXPECT_NE(text.find(processor_name()), std::string::npos);
}

}  // namespace
}  // namespace pulmoseg
