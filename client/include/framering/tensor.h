// Part of the public API.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "framering/export.h"
#include "framering/frame.h"
#include "framering/tensor_types.h"
#include "framering/types.h"

namespace framering {

// What a model wants to see of a frame. Each value of the result is
//     (channel * scale - mean[c]) / std[c]
// with the channel resized, in 0..255 (10-bit v is v * 255 / 1023; 5 and 6 bits likewise), and c the
// channel's place in the result: with Channels::bgr mean[0] is blue's, with Channels::gray only [0] counts.
// uint8 is clamped to 0..255; every type rounds to nearest even. Computed in float32: results of host and
// device agree to the last bit or two of float32, and to the rounding of the other types.
struct TensorSpec {
  Channels channels = Channels::rgb;
  Layout layout = Layout::chw;
  DataType dtype = DataType::float32;
  uint32_t width = 0;          // pixels of the result, up to 32767; 0 = the region's
  uint32_t height = 0;         // pixels of the result, up to 32767; 0 = the region's
  std::optional<Rect> region;  // pixels of the frame; the whole frame if not given
  Resize resize = Resize::bilinear;
  std::optional<double> scale;  // 1 for uint8, 1/255 for the others if not given
  std::array<double, 3> mean{0, 0, 0};
  std::array<double, 3> std{1, 1, 1};
};

struct TensorShape {
  uint32_t channels = 0;  // 3; 1 for Channels::gray
  uint32_t height = 0;
  uint32_t width = 0;
};

// The shape and the bytes of the result, without gaps, for frames of this size. Throw invalid_argument for a
// spec that to_tensor() would refuse; the message says what is allowed.
FRAMERING_API TensorShape tensor_shape(const TensorSpec& spec, uint32_t frame_width, uint32_t frame_height);
FRAMERING_API size_t tensor_bytes(const TensorSpec& spec, uint32_t frame_width, uint32_t frame_height,
                                  size_t count = 1);

// Writes the frame as `spec` wants it to `out`, which holds tensor_bytes(). Any thread. Throws
// invalid_argument.
//
// Host frame: `out` is host memory, aligned to the data type. Done on return, in the calling thread alone.
// The result is the frame's if Frame::valid() is still true then.
//
// Device frame: `out` is memory of Frame::device(). The work is enqueued on `cuda_stream`, a CUstream or
// cudaStream_t of that device (nullptr: the legacy default stream), and not waited for: hold the frame until
// the stream is past it, as Frame::release_after(cuda_stream) does. A stream that is being captured into a
// graph is refused (invalid_argument): each replay would read this slot, whatever it holds then. Throws
// memory_unavailable, out_of_memory, unavailable with the driver's reason. The first call loads the kernels,
// which stay for as long as the process.
FRAMERING_API void to_tensor(const Frame& frame, const TensorSpec& spec, void* out,
                             void* cuda_stream = nullptr);

// The same for a batch, one result after another: N x C x H x W or N x H x W x C. All frames have one size,
// format and kind of memory (and one device). Device frames: one kernel launch for each 64 of them.
FRAMERING_API void to_tensor(std::span<const Frame* const> frames, const TensorSpec& spec, void* out,
                             void* cuda_stream = nullptr);

// A result in memory of its own, which goes with the last owner of `data`: host memory, or memory of a CUDA
// device that is freed once the work that reads it is done.
struct Tensor {
  std::shared_ptr<std::byte> data;  // without gaps
  size_t count = 0;                 // frames
  TensorShape shape;
  Layout layout = Layout::chw;
  DataType dtype = DataType::float32;
  int device = -1;  // CUDA's number of it in this process; -1 for host memory

  FRAMERING_API size_t size_bytes() const noexcept;
};

// The same into fresh memory of the host or of the frames' device; done on return. Throws as above.
FRAMERING_API Tensor to_tensor(std::span<const Frame* const> frames, const TensorSpec& spec);
// Copies the result to host memory of tensor.size_bytes().
FRAMERING_API void copy_to_host(const Tensor& tensor, void* out);

}  // namespace framering
