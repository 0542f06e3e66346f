// Part of the public API.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "framering/export.h"
#include "framering/types.h"

namespace framering {

namespace internal {
struct FrameState;
}

// One captured picture, read where the daemon put it, and the lease that keeps it there. The pixels stay as
// they are until release() or for the stream's lease time (1 s by default), whichever comes first; after that
// the daemon may take the slot if it has no other, and valid() turns false. Taking the same frame again does
// not start that time anew. Move-only; one thread at a time; may outlive its Stream and Connection. An empty
// (moved-from or released) Frame has data() == nullptr and device_pointer() == 0. The pixels are in host
// memory or in the memory of a CUDA device, as memory() says, and complete: a reader waits for nothing. When
// the last frame of an epoch is gone and the stream has left it, the memory is unmapped after the context's
// work is done.
class FRAMERING_API Frame {
 public:
  Frame() noexcept;
  explicit Frame(std::unique_ptr<internal::FrameState> state) noexcept;
  Frame(Frame&&) noexcept;
  Frame& operator=(Frame&&) noexcept;
  ~Frame();  // releases

  explicit operator bool() const noexcept { return state_ != nullptr; }

  const std::byte* data() const noexcept;  // first row; read-only memory; null for device memory
  // First row, as a CUdeviceptr; read-only memory unless OpenOptions::writable; 0 for host memory. Its
  // context is the one of this device that was current in the thread that mapped the epoch (it opened the
  // stream, or took the epoch's first frame), or else the device's primary context.
  uint64_t device_pointer() const noexcept;
  int device() const noexcept;         // CUDA's number of it in this process; -1 for host memory
  size_t size_bytes() const noexcept;  // stride * height
  // Of the first pixel on the desktop, in pixels, when the frame was taken: a window may have moved since.
  // What of a region or monitor reaches out of the desktop is cut off: it may begin further in than named.
  int32_t x() const noexcept;
  int32_t y() const noexcept;
  uint32_t width() const noexcept;   // pixels
  uint32_t height() const noexcept;  // pixels
  uint32_t stride() const noexcept;  // bytes between rows
  PixelFormat format() const noexcept;
  Memory memory() const noexcept;

  uint64_t sequence() const noexcept;  // from 1, growing; never reused within a stream of the daemon
  uint64_t epoch() const noexcept;     // grows when the stream's geometry or memory changes
  // CLOCK_MONOTONIC nanoseconds.
  uint64_t capture_ns() const noexcept;  // when the capture was requested: no pixel is older
  uint64_t capture_done_ns() const noexcept;
  uint64_t published_ns() const noexcept;
  // Until when the source was known to show this frame when it was taken: at least capture_ns(), later where
  // the daemon has confirmed that nothing changed.
  uint64_t confirmed_ns() const noexcept;

  // What changed since the frame with the sequence before this one; covers every changed pixel.
  const std::vector<Rect>& damage() const noexcept;
  // What changed between this frame and the one of this sequence, earlier or later, of the same stream:
  // covers every pixel that differs, at most 64 rectangles. All of the frame where that is not known any more
  // (more than 64 frames apart, or another epoch) and for 0. Throws invalid_argument (released).
  std::vector<Rect> damage_since(uint64_t sequence) const;

  // Only with CursorMode::metadata: the pointer as it was when this frame was captured, or since, if this is
  // still the newest. A frame that next() returns again, with the same sequence, is there for this alone.
  const std::optional<Cursor>& cursor() const noexcept;

  // True if everything read so far was this frame: check it after reading where the lease time may have
  // passed.
  bool valid() const noexcept;

  // Gives the slot back and empties the frame. True if the frame was valid until now.
  bool release() noexcept;

  // For device memory: gives the slot back once the work that is on this stream by now is done, without
  // waiting for it, and empties the frame. With release() instead, a kernel that still reads the slot would
  // see the next frame come in. `cuda_stream` is a CUstream or cudaStream_t of the frame's device; nullptr is
  // the legacy default stream. The lease time goes on meanwhile. True if the frame was valid until now.
  // Throws invalid_argument for host memory and for a stream that is being captured into a graph, forked,
  // unavailable (the driver refuses); the frame is then held as before.
  bool release_after(void* cuda_stream);

  // For device memory read on several streams: whatever then gives the slot back, release(), release_after()
  // or the destructor, waits on the device for the work that is on this stream by now. Throws as
  // release_after().
  void hold_until(void* cuda_stream);

  // For device memory: a copy of size_bytes() in memory of the same device, complete once the work that is on
  // this stream by now is done. Throws invalid_argument, out_of_memory, unavailable.
  std::shared_ptr<std::byte> copy_on_device(void* cuda_stream) const;

  // Copies size_bytes() to host memory, from wherever the pixels are, and waits for that. Throws
  // invalid_argument (released), forked, unavailable.
  void copy_to_host(std::byte* pixels) const;

 private:
  std::unique_ptr<internal::FrameState> state_;
};

}  // namespace framering
