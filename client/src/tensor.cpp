#include "framering/tensor.h"

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "client/src/tensor_cuda.h"
#include "client/src/tensor_host.h"
#include "client/src/tensor_plan.h"
#include "framering/error.h"

namespace framering {

namespace {

using internal::ImageView;
using internal::TensorArguments;

constexpr int kHost = -1;

// The CUDA ordinal, or kHost.
int device_of(const Frame& frame) {
  return frame.device();
}

// As DLPack wants it aligned.
constexpr size_t kHostAlignment = 256;

std::shared_ptr<std::byte> allocate_on_host(size_t bytes) {
  const size_t rounded = (bytes + kHostAlignment - 1) / kHostAlignment * kHostAlignment;
  void* memory = std::aligned_alloc(kHostAlignment, rounded);
  if (!memory) throw Error(ErrorCode::out_of_memory, std::to_string(bytes) + " bytes are not to be had");
  return {static_cast<std::byte*>(memory), std::free};
}

ImageView view_of(const Frame& frame) {
  const auto* on_device = reinterpret_cast<const std::byte*>(frame.device_pointer());
  return {on_device ? on_device : frame.data(), frame.width(), frame.height(), frame.stride(),
          frame.format()};
}

}  // namespace

TensorShape tensor_shape(const TensorSpec& spec, uint32_t frame_width, uint32_t frame_height) {
  internal::check_tensor_spec(spec, frame_width, frame_height);
  const uint32_t region_width = spec.region ? spec.region->width : frame_width;
  const uint32_t region_height = spec.region ? spec.region->height : frame_height;
  return {spec.channels == Channels::gray ? 1u : 3u, spec.height ? spec.height : region_height,
          spec.width ? spec.width : region_width};
}

size_t tensor_bytes(const TensorSpec& spec, uint32_t frame_width, uint32_t frame_height, size_t count) {
  const TensorShape shape = tensor_shape(spec, frame_width, frame_height);
  return count * shape.channels * shape.height * shape.width * internal::bytes_per_value(spec.dtype);
}

void to_tensor(const Frame& frame, const TensorSpec& spec, void* out, void* cuda_stream) {
  const Frame* const frames[] = {&frame};
  to_tensor(frames, spec, out, cuda_stream);
}

void to_tensor(std::span<const Frame* const> frames, const TensorSpec& spec, void* out, void* cuda_stream) {
  if (frames.empty()) return;
  const int device = device_of(*frames[0]);
  std::vector<ImageView> images;
  images.reserve(frames.size());
  for (const Frame* frame : frames) {
    if (device_of(*frame) != device)
      throw Error(ErrorCode::invalid_argument, "the frames of a batch are not all in one memory",
                  "convert the frames of the host, and those of each device, on their own");
    images.push_back(view_of(*frame));
  }
  for (const TensorArguments& arguments : internal::plan_tensor(images, spec, out)) {
    if (device == kHost) {
      internal::convert_on_host(arguments);
    } else {
      internal::convert_on_device(device, arguments, cuda_stream);
    }
  }
}

size_t Tensor::size_bytes() const noexcept {
  return count * shape.channels * shape.height * shape.width * internal::bytes_per_value(dtype);
}

Tensor to_tensor(std::span<const Frame* const> frames, const TensorSpec& spec) {
  if (frames.empty()) throw Error(ErrorCode::invalid_argument, "a tensor is made of one frame at least");
  Tensor tensor{.data = {},
                .count = frames.size(),
                .shape = tensor_shape(spec, frames[0]->width(), frames[0]->height()),
                .layout = spec.layout,
                .dtype = spec.dtype,
                .device = device_of(*frames[0])};
  const size_t bytes = tensor.size_bytes();
  if (tensor.device == kHost) {
    tensor.data = allocate_on_host(bytes);
    to_tensor(frames, spec, tensor.data.get());
  } else {
    tensor.data = internal::allocate_on_device(tensor.device, bytes);
    to_tensor(frames, spec, tensor.data.get(), nullptr);
    internal::wait_for_stream(tensor.device, nullptr);
  }
  return tensor;
}

void copy_to_host(const Tensor& tensor, void* out) {
  if (tensor.device == kHost) {
    std::memcpy(out, tensor.data.get(), tensor.size_bytes());
  } else {
    internal::copy_from_device(tensor.device, tensor.data.get(), tensor.size_bytes(), out);
  }
}

}  // namespace framering
