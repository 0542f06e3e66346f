// The kernels that the fake driver finds by name, whatever the module's image. Each takes one struct by
// value; what runs here is a function on the CPU, in the thread of the stream. To add one: kernels.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fake_cuda {

struct Size3 {
  uint32_t x = 1;
  uint32_t y = 1;
  uint32_t z = 1;
};

struct Kernel {
  const char* name;
  size_t argument_bytes;
  void (*run)(const void* arguments, Size3 grid, Size3 block);
};

// Null for a name that is not in the table.
const Kernel* find_kernel(std::string_view name);

}  // namespace fake_cuda
