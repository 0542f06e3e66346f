// Who keeps a frame's pixels.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "framering/frame.h"

namespace framering::python {

// One hold of a frame: the frame object's own, or that of an array over its pixels. The last hold that ends
// gives the lease back, on whichever thread that is, with or without the GIL; with device memory once the
// work is done that each hold left on its stream.
class Lease {
 public:
  Lease() = default;
  explicit Lease(Frame frame) : shared_(std::make_shared<Shared>(std::move(frame))) {}

  explicit operator bool() const { return shared_ != nullptr; }
  const Frame& operator*() const { return shared_->frame; }
  const Frame* operator->() const { return &shared_->frame; }

  // Device memory: the lease is held until the work that is on this stream by now is done. Throws as
  // Frame::hold_until().
  void hold_until(void* cuda_stream);

  void end() noexcept { shared_.reset(); }
  // Device memory: end(), once the work that is on this stream by now is done. Throws as
  // Frame::release_after(); the hold is then kept.
  void release_after(void* cuda_stream);
  // The same, and where that would throw, end().
  void end_after(void* cuda_stream) noexcept;

 private:
  struct Shared {
    explicit Shared(Frame held) : frame(std::move(held)) {}
    std::mutex mutex;  // guards what changes the frame
    Frame frame;
  };

  std::shared_ptr<Shared> shared_;
};

}  // namespace framering::python
