#include "python-client/src/bindings/lease.h"

#include "framering/error.h"

namespace framering::python {

void Lease::hold_until(void* cuda_stream) {
  const std::lock_guard lock(shared_->mutex);
  shared_->frame.hold_until(cuda_stream);
}

void Lease::release_after(void* cuda_stream) {
  {
    const std::lock_guard lock(shared_->mutex);
    // The only hold, so that nobody can take another. Any other way the frame waits for us when it goes.
    if (shared_.use_count() == 1) {
      shared_->frame.release_after(cuda_stream);
    } else {
      shared_->frame.hold_until(cuda_stream);
    }
  }
  end();
}

void Lease::end_after(void* cuda_stream) noexcept {
  if (!shared_) return;
  try {
    release_after(cuda_stream);
  } catch (const Error&) {
    // The device is lost, or this is a forked child: nothing here reads the pixels any more. Or the stream is
    // being captured: what reads them there, later, is held by whoever replays it.
    end();
  }
}

}  // namespace framering::python
