// From a TensorSpec and the frames' geometry to what a conversion computes, on the host or on a device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "client/src/tensor_kernel.h"
#include "framering/tensor.h"
#include "framering/types.h"

namespace framering::internal {

// A picture in the memory of the host or of a device; the data and its rows are aligned to the pixel.
struct ImageView {
  const std::byte* data = nullptr;  // first row
  uint32_t width = 0;               // pixels
  uint32_t height = 0;              // pixels
  uint32_t stride = 0;              // bytes between rows
  PixelFormat format = PixelFormat::bgrx8888;
};

// Throws invalid_argument.
void check_tensor_spec(const TensorSpec& spec, uint32_t frame_width, uint32_t frame_height);

// One piece of work for each kTensorBatch images, of which there is at least one. Throws invalid_argument,
// also for images of different sizes or formats, and for an `out` that is null or not aligned to the data
// type.
std::vector<TensorArguments> plan_tensor(std::span<const ImageView> images, const TensorSpec& spec,
                                         void* out);

size_t bytes_per_value(DataType type);

// Which kernel runs a conversion, and on which grid.
struct TensorLaunch {
  const char* kernel;
  uint32_t grid[3];
  uint32_t block[3];
};
inline constexpr const char* kTensorKernels[] = {"framering_tensor_sample", "framering_tensor_average",
                                                 "framering_tensor_same", "framering_tensor_halve"};
TensorLaunch tensor_launch(const TensorArguments& arguments);

}  // namespace framering::internal
