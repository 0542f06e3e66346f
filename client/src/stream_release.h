// Gives leases back in the order of a CUDA stream: the reads that are on it by then are done first.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "proto/cuda_driver.h"
#include "proto/result.h"
#include "proto/shm_layout.h"

namespace framering::internal {

// With a context of the stream's device current. kInvalidArgument where it is being captured into a graph:
// what is put on it then is done at each replay, when the slot holds another frame.
proto::Status check_not_captured(const proto::CudaDriver& driver, CUstream stream);

class StreamRelease {
 public:
  // By the device itself, which writes the lease word; where that cannot be, by a thread that waits for an
  // event. The context is current, and `stream` is one of it that nobody else uses now. No frame holds a
  // lease yet.
  static std::unique_ptr<StreamRelease> create(const proto::CudaDriver& driver, CUcontext context,
                                               CUdevice device, CUstream stream, proto::LeasePage& page);
  // After the context has become idle, and with it current.
  virtual ~StreamRelease() = default;

  // Any thread, with a context of the device current. Clears the word, which is one of the page.
  virtual proto::Status release_after(CUstream stream, std::atomic<uint64_t>& lease) = 0;
};

}  // namespace framering::internal
