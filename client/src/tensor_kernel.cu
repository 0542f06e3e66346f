// The kernels behind to_tensor(). Each takes TensorArguments alone; tensor_launch() says which one runs a
// conversion, and on which grid. The z axis of a grid is the batch.
#include "client/src/tensor_kernel.h"

using framering::DataType;
using framering::Layout;
using framering::internal::TensorArguments;
using framering::internal::TensorElement;

namespace {

template <class T, uint32_t kCount>
struct alignas(sizeof(T) * kCount) Pack {
  T values[kCount];
};

// One vector store of neighbors.
template <DataType kType, uint32_t kCount>
__device__ void store_pack(const TensorArguments& arguments, size_t index, const float* values) {
  using Bits = decltype(TensorElement<kType>::round(0));
  Pack<Bits, kCount> pack;
  for (uint32_t i = 0; i < kCount; ++i) pack.values[i] = TensorElement<kType>::round(values[i]);
  *reinterpret_cast<Pack<Bits, kCount>*>(reinterpret_cast<Bits*>(arguments.out) + index) = pack;
}

// Writes kCount output pixels of one row, from x on.
template <DataType kType, uint32_t kCount>
__device__ void store_run(const TensorArguments& arguments, uint32_t x, uint32_t y,
                          const float (&channels)[kCount][3]) {
  const size_t first = tensor_index(arguments, blockIdx.z, x, y, 0);
  float values[3 * kCount];
  if (arguments.channel_count == 1) {
    for (uint32_t i = 0; i < kCount; ++i) values[i] = tensor_value(arguments, channels[i], 0);
    store_pack<kType, kCount>(arguments, first, values);
    return;
  }
  if (arguments.layout == Layout::chw) {
    const size_t plane = static_cast<size_t>(arguments.x.out) * arguments.y.out;
    for (uint32_t c = 0; c < 3; ++c) {
      for (uint32_t i = 0; i < kCount; ++i) values[i] = tensor_value(arguments, channels[i], c);
      store_pack<kType, kCount>(arguments, first + c * plane, values);
    }
    return;
  }
  for (uint32_t i = 0; i < 3 * kCount; ++i) values[i] = tensor_value(arguments, channels[i / 3], i % 3);
  for (uint32_t i = 0; i < 3; ++i)
    store_pack<kType, kCount>(arguments, first + i * kCount, values + i * kCount);
}

template <uint32_t kCount>
__device__ void store_run(const TensorArguments& arguments, uint32_t x, uint32_t y,
                          const float (&channels)[kCount][3]) {
  switch (arguments.dtype) {
    case DataType::uint8:
      return store_run<DataType::uint8>(arguments, x, y, channels);
    case DataType::float16:
      return store_run<DataType::float16>(arguments, x, y, channels);
    case DataType::bfloat16:
      return store_run<DataType::bfloat16>(arguments, x, y, channels);
    case DataType::float32:
      return store_run<DataType::float32>(arguments, x, y, channels);
  }
}

__device__ uint4 load_pixels(const TensorArguments& arguments, uint32_t x, uint32_t y) {
  const uint8_t* row = arguments.frames[blockIdx.z] + static_cast<size_t>(y) * arguments.stride;
  return reinterpret_cast<const uint4*>(row)[x / 4];
}

__device__ uint64_t sum_of_warp(uint64_t value) {
  for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(0xffffffff, value, distance);
  return value;
}

}  // namespace

// Anything: a thread for each output pixel.
extern "C" __global__ void __launch_bounds__(256)
    framering_tensor_sample(const __grid_constant__ TensorArguments arguments) {
  const uint32_t x = blockIdx.x * blockDim.x + threadIdx.x;
  const uint32_t y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= arguments.x.out || y >= arguments.y.out) return;
  float channels[3];
  tensor_sample(arguments, arguments.frames[blockIdx.z], x, y, channels);
  tensor_store(arguments, blockIdx.z, x, y, channels);
}

// Resize::area over many pixels: a warp for each output pixel, its lanes 8 columns by 4 rows.
extern "C" __global__ void __launch_bounds__(256)
    framering_tensor_average(const __grid_constant__ TensorArguments arguments) {
  const uint32_t x = blockIdx.x * blockDim.y + threadIdx.y;
  const uint32_t y = blockIdx.y;
  if (x >= arguments.x.out) return;  // the whole warp
  const uint32_t lane = threadIdx.x;
  uint64_t sums[3] = {0, 0, 0};
  tensor_add_area(arguments, arguments.frames[blockIdx.z], tensor_cover(arguments.x, x),
                  tensor_cover(arguments.y, y), lane % 8, 8, lane / 8, 4, sums);
  float channels[3];
  for (uint32_t c = 0; c < 3; ++c) channels[c] = static_cast<float>(sum_of_warp(sums[c]));
  if (lane == 0) tensor_store(arguments, blockIdx.z, x, y, channels);
}

// The same size, 4-byte pixels, all aligned: a thread reads 4 pixels in one load.
extern "C" __global__ void __launch_bounds__(256)
    framering_tensor_same(const __grid_constant__ TensorArguments arguments) {
  const uint32_t x = 4 * (blockIdx.x * blockDim.x + threadIdx.x);
  const uint32_t y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= arguments.x.out || y >= arguments.y.out) return;
  const uint4 loaded = load_pixels(arguments, x, y);
  const uint32_t pixels[4] = {loaded.x, loaded.y, loaded.z, loaded.w};
  float channels[4][3];
  for (uint32_t i = 0; i < 4; ++i) {
    for (uint32_t c = 0; c < 3; ++c)
      channels[i][c] = static_cast<float>(tensor_channel(arguments, pixels[i], c));
  }
  store_run(arguments, x, y, channels);
}

// Resize::area to half of both sizes, 4-byte pixels, all aligned: a thread reads 4 pixels of two rows.
extern "C" __global__ void __launch_bounds__(256)
    framering_tensor_halve(const __grid_constant__ TensorArguments arguments) {
  const uint32_t x = 2 * (blockIdx.x * blockDim.x + threadIdx.x);
  const uint32_t y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= arguments.x.out || y >= arguments.y.out) return;
  const uint4 upper = load_pixels(arguments, 2 * x, 2 * y), lower = load_pixels(arguments, 2 * x, 2 * y + 1);
  const uint32_t squares[2][4] = {{upper.x, upper.y, lower.x, lower.y}, {upper.z, upper.w, lower.z, lower.w}};
  float channels[2][3];
  for (uint32_t i = 0; i < 2; ++i) {
    for (uint32_t c = 0; c < 3; ++c) {
      uint32_t sum = 0;
      for (uint32_t j = 0; j < 4; ++j) sum += tensor_channel(arguments, squares[i][j], c);
      channels[i][c] = static_cast<float>(sum);
    }
  }
  store_run(arguments, x, y, channels);
}
