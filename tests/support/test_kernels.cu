#include "tests/support/test_kernels.h"

namespace {

constexpr uint64_t kLongestGateNs = 60'000'000'000;

__device__ uint64_t now_ns() {
  uint64_t now;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
  return now;
}

}  // namespace

extern "C" __global__ void test_delay(const framering::testing::DelayArguments arguments) {
  const uint64_t end = now_ns() + arguments.microseconds * 1000;
  while (now_ns() < end) __nanosleep(1000);
}

extern "C" __global__ void test_gate(const framering::testing::GateArguments arguments) {
  const uint64_t end = now_ns() + kLongestGateNs;
  uint64_t beats = 0;
  while (*static_cast<const volatile uint64_t*>(arguments.word) == 0 && now_ns() < end) {
    if (arguments.beats) *static_cast<volatile uint64_t*>(arguments.beats) = ++beats;
    __nanosleep(1000);
  }
}

extern "C" __global__ void test_fill(const framering::testing::FillArguments arguments) {
  const uint64_t thread = blockIdx.x * blockDim.x + threadIdx.x;
  const uint64_t threads = gridDim.x * blockDim.x;
  for (uint64_t i = thread; i < arguments.bytes; i += threads) arguments.target[i] = arguments.value;
}
