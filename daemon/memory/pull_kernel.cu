#include "daemon/memory/pull_kernel.h"

using namespace framering::daemon;

// One row of blocks for each rectangle.
extern "C" __global__ void framering_pull(const __grid_constant__ PullArguments arguments) {
  const PullRect rect = arguments.rects[blockIdx.y];
  const uint32_t units = pull_units_per_row(arguments, rect);
  const uint32_t all = units * rect.height;
  for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < all; i += gridDim.x * blockDim.x) {
    pull_unit(arguments, rect, i / units, i % units);
  }
}
