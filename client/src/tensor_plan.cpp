#include "client/src/tensor_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "framering/error.h"
#include "proto/limits.h"

namespace framering::internal {

namespace {

using proto::kMaxDimension;

[[noreturn]] void refuse(const std::string& message, const std::string& hint = {}) {
  throw Error(ErrorCode::invalid_argument, message, hint);
}

std::string size_text(uint32_t width, uint32_t height) {
  return std::to_string(width) + "x" + std::to_string(height);
}

template <class Choice>
void check_choice(Choice choice, Choice last, const char* name, const char* choices) {
  if (static_cast<uint32_t>(choice) > static_cast<uint32_t>(last)) {
    refuse("TensorSpec::" + std::string(name) + " is " + std::to_string(static_cast<uint32_t>(choice)) +
           ", none of " + choices);
  }
}

void check_region(const Rect& region, uint32_t width, uint32_t height) {
  if (region.width == 0 || region.height == 0)
    refuse("TensorSpec::region is empty: " + size_text(region.width, region.height));
  if (uint32_t{region.x} + region.width > width || uint32_t{region.y} + region.height > height) {
    refuse("TensorSpec::region, " + size_text(region.width, region.height) + " at " +
               std::to_string(region.x) + "," + std::to_string(region.y) + ", is not within the frame, " +
               size_text(width, height),
           "an epoch of the stream may have another size: see Frame::width() and Frame::height()");
  }
}

uint32_t channel_count(const TensorSpec& spec) {
  return spec.channels == Channels::gray ? 1 : 3;
}

double scale_of(const TensorSpec& spec) {
  return spec.scale.value_or(spec.dtype == DataType::uint8 ? 1.0 : 1.0 / 255);
}

bool fits_float(double value) {
  return std::abs(value) <= double{std::numeric_limits<float>::max()} / 256;
}

void check_numbers(const TensorSpec& spec) {
  const double scale = scale_of(spec);
  if (!std::isfinite(scale)) refuse("TensorSpec::scale is not a finite number");
  for (uint32_t c = 0; c < channel_count(spec); ++c) {
    const std::string index = "[" + std::to_string(c) + "]";
    if (!std::isfinite(spec.mean[c])) refuse("TensorSpec::mean" + index + " is not a finite number");
    if (!std::isfinite(spec.std[c]) || spec.std[c] == 0)
      refuse("TensorSpec::std" + index + " is not a finite number other than 0");
    if (!fits_float(scale / spec.std[c]) || !fits_float(spec.mean[c] / spec.std[c]))
      refuse("TensorSpec::std" + index + " is too small: the values leave the range of float32");
  }
}

Rect region_of(const TensorSpec& spec, uint32_t width, uint32_t height) {
  return spec.region.value_or(Rect{0, 0, static_cast<uint16_t>(width), static_cast<uint16_t>(height)});
}

TensorAxis axis(uint32_t in, uint32_t out) {
  const uint32_t common = std::gcd(in, out);
  return {in, out, in / common, out / common};
}

// Bilinear at exactly half of both sizes is the mean of 4 pixels: the area.
Resize effective_resize(const TensorAxis& x, const TensorAxis& y, Resize wanted) {
  if (x.in == x.out && y.in == y.out) return Resize::nearest;
  if (wanted == Resize::bilinear && x.in == 2 * x.out && y.in == 2 * y.out) return Resize::area;
  return wanted;
}

// Where red, green and blue are in a pixel.
struct Packing {
  uint32_t shift[3], mask[3];
};

Packing packing(PixelFormat format) {
  switch (format) {
    case PixelFormat::bgrx8888:
    case PixelFormat::bgra8888:  // as it looks over black
      return {{16, 8, 0}, {255, 255, 255}};
    case PixelFormat::rgbx8888:
      return {{0, 8, 16}, {255, 255, 255}};
    case PixelFormat::xrgb2101010:
      return {{20, 10, 0}, {1023, 1023, 1023}};
    case PixelFormat::rgb565:
      return {{11, 5, 0}, {31, 63, 31}};
  }
  refuse("the frame's pixel format is unknown: " + std::to_string(static_cast<uint32_t>(format)));
}

void plan_values(const TensorSpec& spec, PixelFormat format, TensorArguments& arguments) {
  constexpr double kLuma[3] = {0.299, 0.587, 0.114};
  const Packing from = packing(format);
  double scale = scale_of(spec);
  if (arguments.resize == Resize::area)
    scale /= static_cast<double>(uint64_t{arguments.x.footprint} * arguments.y.footprint);
  for (uint32_t c = 0; c < 3; ++c) {
    const uint32_t channel = spec.channels == Channels::bgr ? 2 - c : c;
    const bool gray = spec.channels == Channels::gray;
    const double std = spec.std[gray ? 0 : c];
    const double weight = gray ? kLuma[c] : 1;
    arguments.shift[c] = from.shift[channel];
    arguments.mask[c] = from.mask[channel];
    arguments.scale[c] = static_cast<float>(weight * 255 / from.mask[channel] * scale / std);
    arguments.offset[c] = gray && c > 0 ? 0 : static_cast<float>((0 - spec.mean[c]) / std);
  }
}

bool is_aligned(const void* pointer, size_t bytes) {
  return reinterpret_cast<uintptr_t>(pointer) % bytes == 0;
}

// A thread of the vector kernels loads 16 bytes, and stores `values` neighbors at once.
bool fits_vectors(const TensorArguments& arguments, uint32_t values) {
  const bool aligned_frames =
      std::all_of(arguments.frames, arguments.frames + arguments.frame_count,
                  [](const uint8_t* frame) { return is_aligned(frame, sizeof(uint32_t) * 4); });
  return arguments.pixel_bytes == 4 && arguments.stride % 16 == 0 && aligned_frames &&
         arguments.x.out % values == 0 &&
         is_aligned(arguments.out, values * bytes_per_value(arguments.dtype));
}

uint32_t divide_up(uint32_t value, uint32_t by) {
  return (value + by - 1) / by;
}

TensorLaunch launch(const char* kernel, const TensorArguments& arguments, uint32_t pixels_per_thread) {
  constexpr uint32_t kBlock[2] = {64, 4};
  return {kernel,
          {divide_up(arguments.x.out, kBlock[0] * pixels_per_thread), divide_up(arguments.y.out, kBlock[1]),
           arguments.frame_count},
          {kBlock[0], kBlock[1], 1}};
}

const uint8_t* first_pixel(const ImageView& image, const TensorSpec& spec) {
  const Rect region = region_of(spec, image.width, image.height);
  const size_t offset = size_t{region.y} * image.stride + size_t{region.x} * bytes_per_pixel(image.format);
  return reinterpret_cast<const uint8_t*>(image.data) + offset;
}

// All but the frames and where the result goes.
TensorArguments plan_image(const ImageView& image, const TensorSpec& spec) {
  const Rect region = region_of(spec, image.width, image.height);
  TensorArguments arguments{};
  arguments.stride = image.stride;
  arguments.pixel_bytes = bytes_per_pixel(image.format);
  arguments.x = axis(region.width, spec.width ? spec.width : region.width);
  arguments.y = axis(region.height, spec.height ? spec.height : region.height);
  arguments.resize = effective_resize(arguments.x, arguments.y, spec.resize);
  arguments.layout = spec.layout;
  arguments.dtype = spec.dtype;
  arguments.channel_count = channel_count(spec);
  plan_values(spec, image.format, arguments);
  return arguments;
}

}  // namespace

size_t bytes_per_value(DataType type) {
  return type == DataType::uint8 ? 1 : type == DataType::float32 ? 4 : 2;
}

void check_tensor_spec(const TensorSpec& spec, uint32_t frame_width, uint32_t frame_height) {
  if (frame_width == 0 || frame_height == 0) refuse("the frame is empty, released or moved from");
  check_choice(spec.channels, Channels::gray, "channels", "rgb, bgr, gray");
  check_choice(spec.layout, Layout::chw, "layout", "hwc, chw");
  check_choice(spec.dtype, DataType::float32, "dtype", "uint8, float16, bfloat16, float32");
  check_choice(spec.resize, Resize::area, "resize", "nearest, bilinear, area");
  for (const uint32_t pixels : {frame_width, frame_height, spec.width, spec.height}) {
    if (pixels > kMaxDimension)
      refuse("a size of " + std::to_string(pixels) + " pixels is more than " + std::to_string(kMaxDimension));
  }
  if (spec.region) check_region(*spec.region, frame_width, frame_height);
  check_numbers(spec);
}

std::vector<TensorArguments> plan_tensor(std::span<const ImageView> images, const TensorSpec& spec,
                                         void* out) {
  const ImageView& first = images.front();
  check_tensor_spec(spec, first.width, first.height);
  for (const ImageView& image : images) {
    if (image.width != first.width || image.height != first.height || image.stride != first.stride ||
        image.format != first.format) {
      refuse("the frames of a batch differ in size or format",
             "convert the frames of one Frame::epoch() of a stream at a time");
    }
  }
  if (!out || !is_aligned(out, bytes_per_value(spec.dtype)))
    refuse("the memory for the tensor is null or not aligned to its data type");

  const TensorArguments common = plan_image(first, spec);
  const size_t frame_bytes =
      size_t{common.x.out} * common.y.out * common.channel_count * bytes_per_value(spec.dtype);
  std::vector<TensorArguments> plans;
  for (size_t i = 0; i < images.size(); ++i) {
    if (i % kTensorBatch == 0) {
      plans.push_back(common);
      plans.back().out = static_cast<uint8_t*>(out) + i * frame_bytes;
    }
    TensorArguments& plan = plans.back();
    plan.frames[plan.frame_count++] = first_pixel(images[i], spec);
  }
  return plans;
}

TensorLaunch tensor_launch(const TensorArguments& arguments) {
  const TensorAxis &x = arguments.x, &y = arguments.y;
  if (x.in == x.out && y.in == y.out && fits_vectors(arguments, 4))
    return launch("framering_tensor_same", arguments, 4);
  if (arguments.resize == Resize::area) {
    if (x.in == 2 * x.out && y.in == 2 * y.out && fits_vectors(arguments, 2))
      return launch("framering_tensor_halve", arguments, 2);
    // From one source pixel for each lane on, a warp is worth an output pixel.
    if (uint64_t{x.in} * y.in >= uint64_t{32} * x.out * y.out) {
      constexpr uint32_t kWarps = 8;
      return {"framering_tensor_average",
              {divide_up(x.out, kWarps), y.out, arguments.frame_count},
              {32, kWarps, 1}};
    }
  }
  return launch("framering_tensor_sample", arguments, 1);
}

}  // namespace framering::internal
