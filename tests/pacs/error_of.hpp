#pragma once
#include <gtest/gtest.h>

#include <string>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::test {

/// What an action fails with, which is to be one line.
template <class Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
  return "no error";
}

}  // namespace pulmoseg::test
