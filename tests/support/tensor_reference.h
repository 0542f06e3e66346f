// What a conversion must give, in straightforward double precision, and the cases that every implementation
// of it is compared on.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "client/src/tensor_plan.h"
#include "framering/tensor.h"

namespace framering::testing {

// Random pixels, the undefined bits too, with rows of at least `stride` bytes.
class Picture {
 public:
  Picture(uint32_t width, uint32_t height, PixelFormat format, uint32_t stride, std::mt19937& random);
  static Picture constant(uint32_t width, uint32_t height, PixelFormat format, uint32_t pixel);

  internal::ImageView view() const { return view_at(words_.data()); }
  // As a copy of the bytes somewhere else would be seen.
  internal::ImageView view_at(const void* data) const;
  size_t size_bytes() const { return words_.size() * sizeof(words_[0]); }
  uint32_t width() const { return width_; }
  uint32_t height() const { return height_; }
  PixelFormat format() const { return format_; }
  // Red, green and blue in 0..255.
  std::array<double, 3> rgb(uint32_t x, uint32_t y) const;

 private:
  struct alignas(16) Word {
    uint8_t bytes[16];
  };

  Picture(uint32_t width, uint32_t height, PixelFormat format, uint32_t stride);

  uint32_t width_, height_;
  PixelFormat format_;
  uint32_t stride_;
  std::vector<Word> words_;
};

// The exact values, in the order of the result.
std::vector<double> reference_tensor(const Picture& picture, const TensorSpec& spec);

// The values of a result.
std::vector<double> read_tensor(const void* data, DataType type, size_t count);

// "" if every value is the reference's, rounded, to what float32 arithmetic leaves open; else the first that
// is not.
std::string difference(const std::vector<double>& got, const std::vector<double>& expected,
                       const TensorSpec& spec);

std::string text(const TensorSpec& spec);

struct TensorCase {
  const Picture& picture;
  const TensorSpec& spec;
};

// All formats, channels, layouts, data types and resizes, at odd and even sizes, cropped or not, smaller and
// larger, with and without scale, mean and std.
void for_each_tensor_case(uint32_t seed, const std::function<void(const TensorCase&)>& run);

}  // namespace framering::testing
