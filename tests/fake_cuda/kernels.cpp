#include "tests/fake_cuda/kernels.h"

#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "client/src/tensor_kernel.h"
#include "daemon/memory/pull_kernel.h"
#include "tests/support/test_kernels.h"

namespace fake_cuda {

namespace {

using framering::testing::DelayArguments;
using framering::testing::FillArguments;
using framering::testing::GateArguments;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::chrono::minutes kLongestGate{1};

void delay(const DelayArguments& arguments, Size3, Size3) {
  std::this_thread::sleep_for(microseconds(arguments.microseconds));
}

void gate(const GateArguments& arguments, Size3, Size3) {
  const std::atomic_ref word(*const_cast<uint64_t*>(arguments.word));
  const auto end = steady_clock::now() + kLongestGate;
  while (word == 0 && steady_clock::now() < end) {
    if (arguments.beats) ++std::atomic_ref(*arguments.beats);
    std::this_thread::sleep_for(milliseconds(1));
  }
}

void fill(const FillArguments& arguments, Size3, Size3) {
  std::memset(arguments.target, arguments.value, arguments.bytes);
}

// As the blocks and threads do it.
void pull(const framering::daemon::PullArguments& arguments, Size3 grid, Size3) {
  for (uint32_t i = 0; i < grid.y; ++i) {
    const framering::daemon::PullRect& rect = arguments.rects[i];
    const uint32_t units = framering::daemon::pull_units_per_row(arguments, rect);
    for (uint32_t row = 0; row < rect.height; ++row) {
      for (uint32_t unit = 0; unit < units; ++unit) {
        framering::daemon::pull_unit(arguments, rect, row, unit);
      }
    }
  }
}

void tensor(const framering::internal::TensorArguments& arguments, Size3, Size3) {
  framering::internal::tensor_convert(arguments);
}

template <class Arguments, void (*run)(const Arguments&, Size3 grid, Size3 block)>
constexpr Kernel kernel(const char* name) {
  return {name, sizeof(Arguments), [](const void* arguments, Size3 grid, Size3 block) {
            run(*static_cast<const Arguments*>(arguments), grid, block);
          }};
}

constexpr Kernel kKernels[] = {
    kernel<DelayArguments, delay>("test_delay"),
    kernel<FillArguments, fill>("test_fill"),
    kernel<GateArguments, gate>("test_gate"),
    kernel<framering::daemon::PullArguments, pull>("framering_pull"),
    kernel<framering::internal::TensorArguments, tensor>("framering_tensor_average"),
    kernel<framering::internal::TensorArguments, tensor>("framering_tensor_halve"),
    kernel<framering::internal::TensorArguments, tensor>("framering_tensor_same"),
    kernel<framering::internal::TensorArguments, tensor>("framering_tensor_sample"),
};

}  // namespace

const Kernel* find_kernel(std::string_view name) {
  for (const Kernel& kernel : kKernels) {
    if (name == kernel.name) return &kernel;
  }
  return nullptr;
}

}  // namespace fake_cuda
