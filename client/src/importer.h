// Maps the pixel region of an epoch into this process: one importer a kind of memory.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "proto/cuda_uuid.h"
#include "proto/message.h"
#include "proto/result.h"
#include "proto/shm_layout.h"
#include "proto/unique_fd.h"

namespace framering::internal {

// What the caller asks of device memory, as in OpenOptions.
struct ImportOptions {
  std::string device{};
  bool writable = false;
};

// What the daemon sent, checked by proto::decode().
struct PixelHandle {
  proto::MemoryKind kind = proto::MemoryKind::kHost;
  uint64_t region_bytes = 0;
  proto::UniqueFd fd;             // kHost, kCuda
  std::vector<std::byte> handle;  // kCudaIpc
  std::optional<proto::CudaUuid> device_uuid;
};

// A moment of a CUDA stream.
class StreamMark {
 public:
  virtual ~StreamMark() = default;
};
using StreamMarks = std::span<const std::unique_ptr<StreamMark>>;

// A mapped pixel region; unmaps when destroyed, one of device memory after the device's work is done. Any
// thread. In a forked child, device memory is neither there nor touched.
class PixelRegion {
 public:
  virtual ~PixelRegion() = default;
  // Of the first slot, in host memory; null for device memory.
  virtual const std::byte* data() const { return nullptr; }
  // Of the first slot, in device memory; 0 for host memory.
  virtual uint64_t device_pointer() const { return 0; }
  virtual int device() const { return -1; }  // CUDA's number of it in this process
  virtual proto::Status copy_to_host(uint64_t offset, uint64_t bytes, std::byte* to) const = 0;

  // For device memory; kInvalidArgument for host memory.
  virtual proto::Result<std::shared_ptr<std::byte>> copy_on_device(uint64_t offset, uint64_t bytes,
                                                                   void* stream) const = 0;
  virtual proto::Result<std::unique_ptr<StreamMark>> mark(void* stream) const = 0;
  // Clears a word of the lease page once the work that is on the stream by now, if one is named, is done and
  // the marks are passed.
  virtual proto::Status release_after(std::optional<void*> stream, StreamMarks marks,
                                      std::atomic<uint64_t>& lease) = 0;
  // True once this process has lost the device: nothing of it reads pixels or clears a word any more.
  virtual bool is_lost() const { return false; }
};

// kMemoryUnavailable for memory that this build or this process cannot map, or that is on another device than
// the caller's; kProtocol for a descriptor of host memory that does not hold the region or could shrink under
// its readers. The lease page stays mapped for as long as the region.
proto::Result<std::unique_ptr<PixelRegion>> import_pixels(const PixelHandle& pixels,
                                                          proto::LeasePage& lease_page,
                                                          const ImportOptions& options);

proto::Result<std::unique_ptr<PixelRegion>> import_host_pixels(const proto::UniqueFd& handle,
                                                               uint64_t region_bytes);
proto::Result<std::unique_ptr<PixelRegion>> import_cuda_pixels(const PixelHandle& pixels,
                                                               proto::LeasePage& lease_page,
                                                               const ImportOptions& options);

// kProtocol unless `fd` has exactly this size and is sealed so that it keeps it: then no mapping of it can
// fault.
proto::Status check_sealed(const proto::UniqueFd& fd, uint64_t bytes, const char* what);

}  // namespace framering::internal
