// Waiting for what another thread or process is about to do.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace framering::testing {

// True as soon as the condition holds; a failure if it does not within 10 s.
template <class Condition>
::testing::AssertionResult soon(Condition&& condition) {
  using namespace std::chrono_literals;
  for (const auto end = std::chrono::steady_clock::now() + 10s; std::chrono::steady_clock::now() < end;) {
    if (condition()) return ::testing::AssertionSuccess();
    std::this_thread::sleep_for(1ms);
  }
  return ::testing::AssertionFailure() << "not within 10 s";
}

}  // namespace framering::testing
