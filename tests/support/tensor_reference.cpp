#include "tests/support/tensor_reference.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <optional>

namespace framering::testing {

namespace {

uint32_t compact_stride(uint32_t width, PixelFormat format) {
  return (width * bytes_per_pixel(format) + 3) / 4 * 4;
}

// Which source pixels of an axis an output pixel takes, and how much of each; the weights' sum is 1.
struct Tap {
  uint32_t at;
  double weight;
};

std::vector<Tap> taps(uint32_t in, uint32_t out, Resize resize, uint32_t i) {
  const double ratio = static_cast<double>(in) / out;
  if (in == out) return {{i, 1}};
  if (resize == Resize::nearest) return {{static_cast<uint32_t>((i + 0.5) * in / out), 1}};
  if (resize == Resize::bilinear) {
    const double at = std::max(0.0, (i + 0.5) * in / out - 0.5);
    const auto first = static_cast<uint32_t>(at);
    return {{first, 1 - (at - first)}, {std::min(first + 1, in - 1), at - first}};
  }
  std::vector<Tap> covered;
  const double from = i * ratio, to = (i + 1) * ratio;
  for (auto at = static_cast<uint32_t>(from); at < in && at < to; ++at) {
    const double part = std::min(to, at + 1.0) - std::max(from, static_cast<double>(at));
    if (part > 0) covered.push_back({at, part / ratio});
  }
  return covered;
}

double half_value(uint16_t bits) {
  const int exponent = (bits >> 10) & 31, fraction = bits & 1023;
  const double value = exponent == 31  ? INFINITY
                       : exponent == 0 ? std::ldexp(fraction, -24)
                                       : std::ldexp(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -value : value;
}

double scale_of(const TensorSpec& spec) {
  return spec.scale.value_or(spec.dtype == DataType::uint8 ? 1 : 1.0 / 255);
}

// The distance between neighbors of a floating point type around a value.
double last_place(double value, int fraction_bits, int smallest_exponent) {
  const int exponent = value == 0 ? smallest_exponent : std::ilogb(value);
  return std::ldexp(1, std::max(exponent, smallest_exponent) - fraction_bits);
}

}  // namespace

Picture::Picture(uint32_t width, uint32_t height, PixelFormat format, uint32_t stride)
    : width_(width),
      height_(height),
      format_(format),
      stride_(std::max(stride, compact_stride(width, format))),
      words_((size_t{stride_} * height + sizeof(Word) - 1) / sizeof(Word)) {}

Picture::Picture(uint32_t width, uint32_t height, PixelFormat format, uint32_t stride, std::mt19937& random)
    : Picture(width, height, format, stride) {
  for (Word& word : words_) {
    for (uint8_t& byte : word.bytes) byte = static_cast<uint8_t>(random());
  }
}

Picture Picture::constant(uint32_t width, uint32_t height, PixelFormat format, uint32_t pixel) {
  Picture picture(width, height, format, 0);
  auto* data = reinterpret_cast<uint8_t*>(picture.words_.data());
  const uint32_t bytes = bytes_per_pixel(format);
  for (uint32_t y = 0; y < height; ++y) {
    for (uint32_t x = 0; x < width; ++x) std::memcpy(data + y * picture.stride_ + x * bytes, &pixel, bytes);
  }
  return picture;
}

internal::ImageView Picture::view_at(const void* data) const {
  return {static_cast<const std::byte*>(data), width_, height_, stride_, format_};
}

std::array<double, 3> Picture::rgb(uint32_t x, uint32_t y) const {
  const auto* bytes = reinterpret_cast<const uint8_t*>(words_.data()) + size_t{y} * stride_ +
                      size_t{x} * bytes_per_pixel(format_);
  const uint32_t low = bytes[0] | uint32_t{bytes[1]} << 8;
  switch (format_) {
    case PixelFormat::bgrx8888:
    case PixelFormat::bgra8888:
      return {double(bytes[2]), double(bytes[1]), double(bytes[0])};
    case PixelFormat::rgbx8888:
      return {double(bytes[0]), double(bytes[1]), double(bytes[2])};
    case PixelFormat::xrgb2101010: {
      const uint32_t word = low | uint32_t{bytes[2]} << 16 | uint32_t{bytes[3]} << 24;
      return {(word >> 20 & 1023) * 255.0 / 1023, (word >> 10 & 1023) * 255.0 / 1023,
              (word & 1023) * 255.0 / 1023};
    }
    case PixelFormat::rgb565:
      return {(low >> 11) * 255.0 / 31, (low >> 5 & 63) * 255.0 / 63, (low & 31) * 255.0 / 31};
  }
  return {};
}

std::vector<double> reference_tensor(const Picture& picture, const TensorSpec& spec) {
  const Rect region = spec.region.value_or(
      Rect{0, 0, static_cast<uint16_t>(picture.width()), static_cast<uint16_t>(picture.height())});
  const uint32_t width = spec.width ? spec.width : region.width;
  const uint32_t height = spec.height ? spec.height : region.height;
  const uint32_t channels = spec.channels == Channels::gray ? 1 : 3;
  const bool same = width == region.width && height == region.height;
  std::vector<double> values(size_t{width} * height * channels);
  for (uint32_t y = 0; y < height; ++y) {
    for (uint32_t x = 0; x < width; ++x) {
      std::array<double, 3> rgb{};
      if (same) {
        rgb = picture.rgb(region.x + x, region.y + y);
      } else {
        for (const Tap& down : taps(region.height, height, spec.resize, y)) {
          for (const Tap& across : taps(region.width, width, spec.resize, x)) {
            const std::array<double, 3> source = picture.rgb(region.x + across.at, region.y + down.at);
            for (uint32_t c = 0; c < 3; ++c) rgb[c] += down.weight * across.weight * source[c];
          }
        }
      }
      if (spec.channels == Channels::bgr) std::swap(rgb[0], rgb[2]);
      if (spec.channels == Channels::gray) rgb[0] = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
      for (uint32_t c = 0; c < channels; ++c) {
        const size_t at = size_t{y} * width + x;
        const size_t index = spec.layout == Layout::chw ? size_t{c} * width * height + at : at * channels + c;
        values[index] = (rgb[c] * scale_of(spec) - spec.mean[c]) / spec.std[c];
      }
    }
  }
  return values;
}

std::vector<double> read_tensor(const void* data, DataType type, size_t count) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  std::vector<double> values(count);
  for (size_t i = 0; i < count; ++i) {
    if (type == DataType::uint8) {
      values[i] = bytes[i];
    } else if (type == DataType::float32) {
      float value;
      std::memcpy(&value, bytes + 4 * i, sizeof value);
      values[i] = value;
    } else {
      const auto bits = static_cast<uint16_t>(bytes[2 * i] | bytes[2 * i + 1] << 8);
      const uint32_t wide = uint32_t{bits} << 16;
      float value;
      std::memcpy(&value, &wide, sizeof value);
      values[i] = type == DataType::float16 ? half_value(bits) : value;
    }
  }
  return values;
}

std::string difference(const std::vector<double>& got, const std::vector<double>& expected,
                       const TensorSpec& spec) {
  if (got.size() != expected.size()) return "another number of values";
  // What float32 leaves open, at the size of the terms: the mean may cancel most of them.
  double largest = 0;
  for (uint32_t c = 0; c < 3; ++c) {
    largest = std::max(
        {largest, std::abs(255 * scale_of(spec) / spec.std[c]), std::abs(spec.mean[c] / spec.std[c])});
  }
  const double arithmetic = 4 * last_place(largest, 23, -126);
  for (size_t i = 0; i < got.size(); ++i) {
    double value = expected[i], rounding = 0;
    switch (spec.dtype) {
      case DataType::uint8:
        value = std::clamp(value, 0.0, 255.0);
        rounding = 0.5;
        break;
      case DataType::float16:
        if (value >= 65520) value = INFINITY;
        rounding = last_place(value, 10, -14) / 2;
        break;
      case DataType::bfloat16:
        rounding = last_place(value, 7, -126) / 2;
        break;
      case DataType::float32:
        break;
    }
    const bool equal =
        std::isinf(value) ? got[i] == value : std::abs(got[i] - value) <= rounding + arithmetic;
    if (!equal) {
      return "value " + std::to_string(i) + " of " + std::to_string(got.size()) + " is " +
             std::to_string(got[i]) + ", not " + std::to_string(expected[i]);
    }
  }
  return {};
}

std::string text(const TensorSpec& spec) {
  static constexpr const char* kChannels[] = {"rgb", "bgr", "gray"};
  static constexpr const char* kLayouts[] = {"hwc", "chw"};
  static constexpr const char* kTypes[] = {"uint8", "float16", "bfloat16", "float32"};
  static constexpr const char* kResizes[] = {"nearest", "bilinear", "area"};
  std::string text = std::string(kChannels[static_cast<size_t>(spec.channels)]) + " " +
                     kLayouts[static_cast<size_t>(spec.layout)] + " " +
                     kTypes[static_cast<size_t>(spec.dtype)] + " " +
                     kResizes[static_cast<size_t>(spec.resize)] + " to " + std::to_string(spec.width) + "x" +
                     std::to_string(spec.height);
  if (spec.region) {
    text += " from " + std::to_string(spec.region->width) + "x" + std::to_string(spec.region->height) +
            " at " + std::to_string(spec.region->x) + "," + std::to_string(spec.region->y);
  }
  return text;
}

void for_each_tensor_case(uint32_t seed, const std::function<void(const TensorCase&)>& run) {
  struct Geometry {
    uint32_t width, height, stride;
    std::optional<Rect> region;
    uint32_t out_width, out_height;
  };
  const Geometry geometries[] = {
      {37, 23, 0, {}, 0, 0},                    // as it is, odd
      {64, 12, 0, {}, 0, 0},                    // as it is, all aligned
      {64, 12, 0, Rect{3, 1, 41, 9}, 0, 0},     // a crop
      {64, 12, 288, Rect{8, 2, 48, 10}, 0, 0},  // an aligned crop of padded rows
      {64, 12, 0, {}, 32, 6},                   // half
      {66, 14, 0, Rect{1, 1, 62, 10}, 31, 5},   // half, odd
      {60, 24, 0, {}, 20, 8},                   // a third
      {64, 24, 0, {}, 16, 6},                   // a quarter
      {37, 23, 0, {}, 31, 19},                  // a little smaller
      {37, 23, 0, {}, 11, 3},                   // much smaller
      {37, 23, 0, {}, 1, 1},                    // one pixel
      {37, 23, 0, Rect{5, 7, 20, 13}, 40, 39},  // larger
      {37, 23, 0, {}, 50, 7},                   // wider and lower
      {5, 1, 0, {}, 17, 1},                     // one row
      {1, 1, 0, {}, 3, 2},                      // one pixel, larger
      {1500, 3, 0, {}, 0, 0},                   // several blocks
      {1500, 4, 0, {}, 750, 2},
      {1500, 3, 0, {}, 701, 2},
      {1500, 3, 0, {}, 2, 2},
  };
  struct Scaling {
    std::optional<double> scale;
    std::array<double, 3> mean, std;
  };
  const Scaling plain{{}, {0, 0, 0}, {1, 1, 1}};
  const Scaling normal{{}, {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
  const Scaling odd{1.5, {200, -3, 7}, {2, -1, 0.25}};

  std::mt19937 random(seed);
  size_t number = 0;
  for (const Geometry& geometry : geometries) {
    for (const PixelFormat format :
         {PixelFormat::bgrx8888, PixelFormat::rgbx8888, PixelFormat::xrgb2101010, PixelFormat::rgb565}) {
      const Picture picture(geometry.width, geometry.height, format, geometry.stride, random);
      for (const Channels channels : {Channels::rgb, Channels::bgr, Channels::gray}) {
        for (const Layout layout : {Layout::hwc, Layout::chw}) {
          for (const Resize resize : {Resize::nearest, Resize::bilinear, Resize::area}) {
            for (const DataType type :
                 {DataType::uint8, DataType::float16, DataType::bfloat16, DataType::float32}) {
              const Scaling& scaling = std::array{&plain, &normal, &odd}[number++ % 3][0];
              TensorSpec spec;
              spec.channels = channels;
              spec.layout = layout;
              spec.dtype = type;
              spec.width = geometry.out_width;
              spec.height = geometry.out_height;
              spec.region = geometry.region;
              spec.resize = resize;
              spec.scale = scaling.scale;
              spec.mean = scaling.mean;
              spec.std = scaling.std;
              run({picture, spec});
            }
          }
        }
      }
    }
  }
}

}  // namespace framering::testing
