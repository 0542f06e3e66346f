// Slots in the memory of a CUDA device. A source writes a mirror in host memory, the only surface; commit()
// brings what a slot lacks from there into the slot. Two kinds, which differ in how clients map the slots
// alone: kCuda (virtual memory management, a descriptor to each client) and kCudaIpc (legacy IPC handles).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "daemon/frame.h"
#include "daemon/memory/pool.h"
#include "proto/cuda_uuid.h"
#include "proto/message.h"
#include "proto/result.h"

namespace framering::daemon {

// A device that pools of this kind can be made on.
struct CudaPlace {
  proto::MemoryKind kind = proto::MemoryKind::kCuda;
  proto::CudaUuid uuid{};
  std::string text;  // for messages: "GPU 0 (NVIDIA H200, GPU-...)"
};

// `device`: a number, "GPU-..." or, for the first, "". kMemoryUnavailable says what is missing: CUDA in this
// build, the driver, the device, what the kind needs of it.
proto::Result<CudaPlace> find_cuda_place(proto::MemoryKind kind, const std::string& device);

// The slots are zeroed. Errors name the call of the driver and the device; kOutOfMemory the sizes too.
proto::Result<std::unique_ptr<Pool>> create_cuda_pool(const CudaPlace& place, const Geometry& geometry,
                                                      uint32_t slot_count);

// Any thread. True once a commit() met a device that is lost to this process: the driver then refuses it for
// as long as the process lives, and a new one has to be started.
bool cuda_device_lost();

}  // namespace framering::daemon
