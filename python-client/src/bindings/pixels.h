// How the memory of a frame reads as an array.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "framering/frame.h"

namespace framering::python {

// Unsigned integers, little endian.
struct ElementType {
  uint8_t bytes;
  const char* name;           // "uint8", for numpy.dtype()
  const char* typestr;        // "|u1", for __array_interface__
  const char* buffer_format;  // "B", for the struct module
};

// BGRX8888, RGBX8888 and BGRA8888: (height, width, 4) uint8; XRGB2101010: (height, width) uint32; RGB565:
// (height, width) uint16.
struct PixelLayout {
  const ElementType* element;
  uint8_t dimensions;
  std::array<int64_t, 3> shape_values;
  std::array<int64_t, 3> stride_values;  // bytes; rows may be padded
  bool contiguous;

  std::span<const int64_t> shape() const { return {shape_values.data(), dimensions}; }
  std::span<const int64_t> strides() const { return {stride_values.data(), dimensions}; }
  int64_t byte_count() const;  // without the padding of the rows
};

PixelLayout pixel_layout(PixelFormat format, uint32_t width, uint32_t height, uint32_t stride);

}  // namespace framering::python
