// The name of a CUDA device that holds in every process, also where the devices have other numbers.
#pragma once

#include <array>
#include <cstddef>

namespace framering::proto {

using CudaUuid = std::array<std::byte, 16>;

}  // namespace framering::proto
