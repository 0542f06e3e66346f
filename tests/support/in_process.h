// For what a process can load or do only once, such as a driver.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/child.h"

namespace framering::testing {

// Runs a test's body in a process of its own, with these variables. Its failures are the test's.
template <class Work>
void in_process(const std::vector<std::pair<const char*, std::string>>& variables, Work&& work) {
  std::fflush(nullptr);
  Child child([&] {
    for (const auto& [name, value] : variables) setenv(name, value.c_str(), 1);
    work();
    return ::testing::Test::HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(child.wait(), 0);
}

}  // namespace framering::testing
