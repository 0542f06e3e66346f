// Memory of a device: a memfd. Freed with the last handle, mapping and export of it.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "proto/unique_fd.h"

namespace fake_cuda {

using framering::proto::UniqueFd;

constexpr size_t kGranularity = 2 << 20;

class Allocation {
 public:
  // CUDA_ERROR_OUT_OF_MEMORY beyond what FAKE_CUDA_MEMORY_MB leaves this process.
  static CUresult create(CUdevice device, size_t bytes, bool exportable, std::shared_ptr<Allocation>* made);
  // From a descriptor of such memory, of any process. CUDA_ERROR_UNKNOWN for another one,
  // CUDA_ERROR_INVALID_DEVICE where this process does not see the device.
  static CUresult import(int fd, std::shared_ptr<Allocation>* made);
  ~Allocation();
  Allocation(const Allocation&) = delete;
  Allocation& operator=(const Allocation&) = delete;

  int fd() const { return fd_.get(); }
  CUdevice device() const { return device_; }
  size_t bytes() const { return bytes_; }
  bool is_exportable() const { return exportable_; }
  uint64_t id() const { return id_; }

 private:
  Allocation(UniqueFd fd, CUdevice device, size_t bytes, bool exportable, bool counted);

  UniqueFd fd_;
  const CUdevice device_;
  const size_t bytes_;
  const bool exportable_;
  const bool counted_;  // against this process's share of the device's memory
  const uint64_t id_;
};

}  // namespace fake_cuda
