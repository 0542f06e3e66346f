// Kernels for tests that keep a GPU busy or misuse it: test_kernels.cu for the driver, fake_cuda/kernels.cpp
// for the fake one. Each takes one struct by value.
#pragma once

#include <cstdint>

namespace framering::testing {

// "test_delay": takes at least so long.
struct DelayArguments {
  uint64_t microseconds;
};

// "test_gate": waits until *word is not 0, at most a minute. Holds a stream for as long as a test likes, and
// counts *beats, if it is given, for as long as it runs.
struct GateArguments {
  const uint64_t* word;
  uint64_t* beats = nullptr;
};

// "test_fill": bytes of one value, written without a look at what the memory may be used for.
struct FillArguments {
  uint8_t* target;
  uint64_t bytes;
  uint8_t value;
};

}  // namespace framering::testing
