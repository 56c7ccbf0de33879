#pragma once
// A dataset of the real slices that ship with the repository, as `pulmoseg prepare` makes it.

#include <gtest/gtest.h>

#include <string>

#include "support/data.hpp"

namespace pulmoseg::test {

inline std::string medseg_scan() { return repository_file("data/medseg/tr_im.nii.gz").string(); }

/// 36 slices of size x size, each a case of its own.
inline void prepare_medseg(const std::string& folder, int size = 32) {
  const auto prepared = run_program({"prepare", "--image", medseg_scan(), "--lesion-mask",
                                     repository_file("data/medseg/tr_mask.nii.gz").string(), "--unrelated-slices",
                                     "--size", std::to_string(size), folder});
  EXPECT_EQ(prepared.exit_code, 0) << prepared.messages;
}

}  // namespace pulmoseg::test
