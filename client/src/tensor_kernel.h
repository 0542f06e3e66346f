// The conversion of frames to tensors: the arguments of one launch, and how one value comes about. Shared by
// the CUDA kernels, which take TensorArguments as their only parameter, and by the host. C++17, as nvcc
// compiles it.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "framering/tensor_types.h"

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#define FRAMERING_KERNEL __device__ inline
#else
#define FRAMERING_KERNEL inline
#endif

namespace framering::internal {

constexpr uint32_t kTensorBatch = 64;

// One axis of a resize. Positions are computed in integers, so that every implementation takes the same
// pixels; with at most 32767 pixels an axis none of them overflows.
struct TensorAxis {
  uint32_t in, out;  // pixels of the region and of the result
  // in : out without their common factor: an output pixel covers `footprint` units, a source pixel `pixel`.
  uint32_t footprint, pixel;
};

struct TensorArguments {
  const uint8_t* frames[kTensorBatch];  // the first pixel of each frame's region
  uint8_t* out;
  uint32_t frame_count;
  uint32_t stride;       // bytes between rows of a frame
  uint32_t pixel_bytes;  // 2 or 4
  TensorAxis x, y;
  Resize resize;  // Resize::nearest where the size stays
  Layout layout;
  DataType dtype;
  uint32_t channel_count;  // 3; 1 for gray
  // A pixel's channels, in the result's order, are (pixel >> shift) & mask. A value is channel * scale +
  // offset; gray is the sum of all channel * scale, + offset[0]. Resize::area sums: its scale holds the
  // division.
  uint32_t shift[3], mask[3];
  float scale[3], offset[3];
};

FRAMERING_KERNEL uint32_t tensor_nearest(const TensorAxis& axis, uint32_t i) {
  return (2 * i + 1) * axis.in / (2 * axis.out);
}

struct TensorBlend {
  uint32_t first, second;
  float weight;  // of the second
};

FRAMERING_KERNEL TensorBlend tensor_blend(const TensorAxis& axis, uint32_t i) {
  const uint32_t unit = 2 * axis.out;  // of a source pixel
  const uint32_t center = (2 * i + 1) * axis.in;
  const uint32_t from = center > axis.out ? center - axis.out : 0;
  const uint32_t first = from / unit;
  return {first, first + 1 < axis.in ? first + 1 : first,
          static_cast<float>(from % unit) / static_cast<float>(unit)};
}

// The source pixels [begin, end) under output pixel i, and how many units of each it covers.
struct TensorCover {
  uint32_t from, to;  // units
  uint32_t begin, end;
  uint32_t pixel;

  FRAMERING_KERNEL uint32_t weight(uint32_t source) const {
    const uint32_t low = source * pixel, high = low + pixel;
    return (high < to ? high : to) - (low > from ? low : from);
  }
};

FRAMERING_KERNEL TensorCover tensor_cover(const TensorAxis& axis, uint32_t i) {
  const uint32_t from = i * axis.footprint, to = from + axis.footprint;
  return {from, to, from / axis.pixel, (to + axis.pixel - 1) / axis.pixel, axis.pixel};
}

FRAMERING_KERNEL uint32_t tensor_pixel(const TensorArguments& arguments, const uint8_t* frame, uint32_t x,
                                       uint32_t y) {
  const uint8_t* row = frame + static_cast<size_t>(y) * arguments.stride;
  if (arguments.pixel_bytes == 2) return reinterpret_cast<const uint16_t*>(row)[x];
  return reinterpret_cast<const uint32_t*>(row)[x];
}

FRAMERING_KERNEL uint32_t tensor_channel(const TensorArguments& arguments, uint32_t pixel, uint32_t channel) {
  return (pixel >> arguments.shift[channel]) & arguments.mask[channel];
}

// Adds the part of an area that is in the columns x.begin + column, + columns, ... and in such rows. A sum of
// a row fits 32 bits (32767 units of at most 1023), that of all rows 64.
FRAMERING_KERNEL void tensor_add_area(const TensorArguments& arguments, const uint8_t* frame,
                                      const TensorCover& x, const TensorCover& y, uint32_t column,
                                      uint32_t columns, uint32_t row, uint32_t rows, uint64_t sums[3]) {
  for (uint32_t source_y = y.begin + row; source_y < y.end; source_y += rows) {
    uint32_t in_row[3] = {0, 0, 0};
    for (uint32_t source_x = x.begin + column; source_x < x.end; source_x += columns) {
      const uint32_t pixel = tensor_pixel(arguments, frame, source_x, source_y);
      const uint32_t weight = x.weight(source_x);
      for (uint32_t c = 0; c < 3; ++c) in_row[c] += weight * tensor_channel(arguments, pixel, c);
    }
    for (uint32_t c = 0; c < 3; ++c) sums[c] += static_cast<uint64_t>(y.weight(source_y)) * in_row[c];
  }
}

// The channels of one output pixel, resized.
FRAMERING_KERNEL void tensor_sample(const TensorArguments& arguments, const uint8_t* frame, uint32_t x,
                                    uint32_t y, float channels[3]) {
  if (arguments.resize == Resize::nearest) {
    const uint32_t pixel =
        tensor_pixel(arguments, frame, tensor_nearest(arguments.x, x), tensor_nearest(arguments.y, y));
    for (uint32_t c = 0; c < 3; ++c) channels[c] = static_cast<float>(tensor_channel(arguments, pixel, c));
  } else if (arguments.resize == Resize::bilinear) {
    const TensorBlend across = tensor_blend(arguments.x, x), down = tensor_blend(arguments.y, y);
    const uint32_t pixels[4] = {tensor_pixel(arguments, frame, across.first, down.first),
                                tensor_pixel(arguments, frame, across.second, down.first),
                                tensor_pixel(arguments, frame, across.first, down.second),
                                tensor_pixel(arguments, frame, across.second, down.second)};
    for (uint32_t c = 0; c < 3; ++c) {
      float corner[4];
      for (uint32_t i = 0; i < 4; ++i)
        corner[i] = static_cast<float>(tensor_channel(arguments, pixels[i], c));
      const float left = corner[0] + down.weight * (corner[2] - corner[0]);
      const float right = corner[1] + down.weight * (corner[3] - corner[1]);
      channels[c] = left + across.weight * (right - left);
    }
  } else {
    uint64_t sums[3] = {0, 0, 0};
    tensor_add_area(arguments, frame, tensor_cover(arguments.x, x), tensor_cover(arguments.y, y), 0, 1, 0, 1,
                    sums);
    for (uint32_t c = 0; c < 3; ++c) channels[c] = static_cast<float>(sums[c]);
  }
}

FRAMERING_KERNEL float tensor_value(const TensorArguments& arguments, const float channels[3], uint32_t c) {
  if (arguments.channel_count == 3) return channels[c] * arguments.scale[c] + arguments.offset[c];
  return channels[0] * arguments.scale[0] +
         (channels[1] * arguments.scale[1] + (channels[2] * arguments.scale[2] + arguments.offset[0]));
}

// A data type's bits, rounded to nearest even. Values are finite.
template <DataType kType>
struct TensorElement;

template <>
struct TensorElement<DataType::uint8> {
  using Bits = uint8_t;
  FRAMERING_KERNEL static Bits round(float value) {
    const float clamped = value < 0.0f ? 0.0f : value > 255.0f ? 255.0f : value;
    const float shifted = clamped + 8388608.0f;  // 2^23: the last place is 1
    uint32_t bits;
    std::memcpy(&bits, &shifted, sizeof bits);
    return static_cast<Bits>(bits);
  }
};

template <>
struct TensorElement<DataType::float16> {
  using Bits = uint16_t;
  FRAMERING_KERNEL static Bits round(float value) {
#ifdef __CUDA_ARCH__
    return __half_as_ushort(__float2half_rn(value));
#else
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    const uint32_t sign = (bits >> 16) & 0x8000;
    bits &= 0x7fffffff;
    if (bits < 0x38800000) {  // below 2^-14: 0.5f has the same last place as a subnormal float16
      const float shifted = std::fabs(value) + 0.5f;
      std::memcpy(&bits, &shifted, sizeof bits);
      return static_cast<Bits>(sign | (bits - 0x3f000000));
    }
    bits += 0xfff + ((bits >> 13) & 1);
    return static_cast<Bits>(sign | (bits < 0x47800000 ? (bits - 0x38000000) >> 13 : 0x7c00));
#endif
  }
};

template <>
struct TensorElement<DataType::bfloat16> {
  using Bits = uint16_t;
  FRAMERING_KERNEL static Bits round(float value) {
#ifdef __CUDA_ARCH__
    return __bfloat16_as_ushort(__float2bfloat16_rn(value));
#else
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return static_cast<Bits>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
#endif
  }
};

template <>
struct TensorElement<DataType::float32> {
  using Bits = float;
  FRAMERING_KERNEL static Bits round(float value) { return value; }
};

template <class Bits>
FRAMERING_KERNEL void tensor_put(const TensorArguments& arguments, size_t index, Bits bits) {
  reinterpret_cast<Bits*>(arguments.out)[index] = bits;
}

// Where a value is in the result, in elements.
FRAMERING_KERNEL size_t tensor_index(const TensorArguments& arguments, uint32_t frame, uint32_t x, uint32_t y,
                                     uint32_t c) {
  const size_t size = static_cast<size_t>(arguments.x.out) * arguments.y.out;
  const size_t at = static_cast<size_t>(y) * arguments.x.out + x;
  const size_t before = size * frame * arguments.channel_count;
  return before + (arguments.layout == Layout::chw ? c * size + at : at * arguments.channel_count + c);
}

// Writes one output pixel from its channels.
FRAMERING_KERNEL void tensor_store(const TensorArguments& arguments, uint32_t frame, uint32_t x, uint32_t y,
                                   const float channels[3]) {
  for (uint32_t c = 0; c < 3; ++c) {
    if (c == arguments.channel_count) return;
    const size_t index = tensor_index(arguments, frame, x, y, c);
    const float value = tensor_value(arguments, channels, c);
    switch (arguments.dtype) {
      case DataType::uint8:
        tensor_put(arguments, index, TensorElement<DataType::uint8>::round(value));
        break;
      case DataType::float16:
        tensor_put(arguments, index, TensorElement<DataType::float16>::round(value));
        break;
      case DataType::bfloat16:
        tensor_put(arguments, index, TensorElement<DataType::bfloat16>::round(value));
        break;
      case DataType::float32:
        tensor_put(arguments, index, TensorElement<DataType::float32>::round(value));
        break;
    }
  }
}

// What a launch computes, whatever its kernel and its grid: the fake driver runs this in a kernel's place.
FRAMERING_KERNEL void tensor_convert(const TensorArguments& arguments) {
  for (uint32_t frame = 0; frame < arguments.frame_count; ++frame) {
    for (uint32_t y = 0; y < arguments.y.out; ++y) {
      for (uint32_t x = 0; x < arguments.x.out; ++x) {
        float channels[3];
        tensor_sample(arguments, arguments.frames[frame], x, y, channels);
        tensor_store(arguments, frame, x, y, channels);
      }
    }
  }
}

}  // namespace framering::internal
