// Enough of CUDA's language to compile a .cu file as C++ and to run its kernels thread by thread on the CPU.
// Include it before the .cu file. Kernels may exchange values by __shfl_xor_sync only, and may not branch on
// what they got.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

// NOLINTBEGIN(bugprone-reserved-identifier): CUDA's names.
#define __global__
#define __device__
#define __grid_constant__
#define __launch_bounds__(threads)
// NOLINTEND(bugprone-reserved-identifier)

struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};
struct dim3 {
  uint32_t x, y, z;
};
inline dim3 gridDim, blockDim, blockIdx, threadIdx;

namespace framering::testing {

// What the lanes of a block brought to its shuffles: by thread (x) and warp (y), in the order of the calls.
struct Shuffles {
  std::map<std::pair<uint32_t, uint32_t>, std::vector<uint64_t>> brought, before;
  size_t call = 0;
};
inline Shuffles shuffles;

// A lane cannot wait for the others here, so each block runs once more for each shuffle: in run N the results
// of the first N are right. Blocks are one warp wide, or do not shuffle.
template <class Arguments>
void run_kernel(void (*kernel)(Arguments), const Arguments& arguments, dim3 grid, dim3 block) {
  gridDim = grid;
  blockDim = block;
  for (uint32_t number = 0; number < grid.x * grid.y * grid.z; ++number) {
    blockIdx = {number % grid.x, number / grid.x % grid.y, number / grid.x / grid.y};
    shuffles = {};
    size_t runs = 1;
    for (size_t run = 0; run < runs; ++run) {
      shuffles.before = std::exchange(shuffles.brought, {});
      for (uint32_t thread = 0; thread < block.x * block.y; ++thread) {
        threadIdx = {thread % block.x, thread / block.x, 0};
        shuffles.call = 0;
        kernel(arguments);
        runs = std::max(runs, shuffles.call + 1);
      }
    }
  }
}

}  // namespace framering::testing

template <class T>
T __shfl_xor_sync(unsigned, T value, int lanes) {  // NOLINT(bugprone-reserved-identifier)
  using framering::testing::shuffles;
  static_assert(sizeof(T) == sizeof(uint64_t));
  const size_t call = shuffles.call++;
  shuffles.brought[{threadIdx.x, threadIdx.y}].push_back(value);
  const auto& other = shuffles.before[{threadIdx.x ^ static_cast<uint32_t>(lanes), threadIdx.y}];
  return call < other.size() ? other[call] : 0;
}
