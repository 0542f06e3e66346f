// framering.Frame.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "framering/frame.h"
#include "python-client/src/bindings/lease.h"
#include "python-client/src/bindings/pixels.h"

namespace framering::python {

// The stream that a frame comes from, for another process that wants the same frame.
struct FrameOrigin {
  std::string socket;  // as connect() was given it; empty: the default one
  std::string source;
  Memory memory;
  bool writable;  // device memory as open(writable=True) maps it
};

// What stays readable after the pixels are given up.
struct FrameInfo {
  FrameInfo(const Frame& frame, bool writable);

  uint64_t sequence, epoch;
  int32_t x, y;
  uint32_t width, height, stride;
  PixelFormat format;
  Memory memory;
  int device;     // CUDA's number; -1 for host memory
  bool writable;  // device memory as open(writable=True) maps it
  uint64_t capture_ns, capture_done_ns, published_ns, confirmed_ns;
  std::optional<Cursor> cursor;
};

// The Python object's own hold of a lease, and the facts about the picture. Every member needs the GIL.
class PyFrame {
 public:
  PyFrame(Frame frame, std::shared_ptr<const FrameOrigin> origin);
  PyFrame(PyFrame&&) = default;
  ~PyFrame();

  const FrameInfo& info() const { return info_; }
  const FrameOrigin& origin() const { return *origin_; }
  PixelLayout layout() const { return pixel_layout(info_.format, info_.width, info_.height, info_.stride); }
  std::vector<Rect> damage_since(uint64_t sequence) const { return lease()->damage_since(sequence); }
  std::vector<Rect> damage() const { return held_ ? lease_->damage() : damage_; }

  bool held() const { return held_; }
  bool valid() const { return held_ && lease_->valid(); }
  // Device memory: once the work that is on the stream by now, if one is named, is done.
  bool release(std::optional<void*> cuda_stream);

  // For an array of its own life. Throws Error(invalid_argument) after release().
  Lease lease() const;

  // For a reader that keeps this object alive rather than a lease: from now on the pixels stay until the
  // object dies; of device memory, until the work is done that is on the default stream then, or was on the
  // stream that release() named.
  const Frame& pin();

 private:
  FrameInfo info_;
  std::shared_ptr<const FrameOrigin> origin_;
  Lease lease_;
  std::vector<Rect> damage_;  // after release()
  void* pin_stream_ = nullptr;
  bool held_ = true;
  bool pinned_ = false;
};

void bind_frame(nanobind::module_& module);

// The buffer protocol: read-only, strided; each buffer has a lease of its own.
int get_buffer(PyObject* self, Py_buffer* buffer, int flags) noexcept;
void release_buffer(PyObject* self, Py_buffer* buffer) noexcept;

}  // namespace framering::python
