#include "python-client/src/bindings/lease.h"

#include "framering/error.h"

namespace framering::python {

void Lease::hold_until(void* cuda_stream) {
  const std::lock_guard lock(shared_->mutex);
  shared_->frame.hold_until(cuda_stream);
}

void Lease::end_after(void* cuda_stream) noexcept {
  const std::shared_ptr<Shared> shared = std::move(shared_);
  if (!shared) return;
  const std::lock_guard lock(shared->mutex);
  try {
    // The only hold, so that nobody can take another. Any other way the frame waits for us when it goes.
    if (shared.use_count() == 1) {
      shared->frame.release_after(cuda_stream);
    } else {
      shared->frame.hold_until(cuda_stream);
    }
  } catch (const Error&) {
    return;  // the device is lost, or this is a forked child: nothing here reads the pixels any more
  }
}

}  // namespace framering::python
