// Brings pixels from a mirror in host memory into a slot in device memory. One thread at a time; made, used
// and destroyed with the device's context current.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "daemon/frame.h"
#include "proto/cuda_driver.h"
#include "proto/result.h"

namespace framering::daemon {

// The kernel gets only pixels that are missing but reads host memory in pieces; a DMA is faster a byte but
// moves whole rows. A DMA is taken where its bytes are at most so many times the kernel's; on an
// H200 the one reaches 54.6 GB/s, the other 46.7.
inline constexpr double kDmaAdvantage = 1.15;

// The rows that a DMA has to move for these rectangles.
struct RowBand {
  uint32_t first = 0;
  uint32_t count = 0;
};
struct PullPlan {
  bool use_dma = false;
  RowBand band;  // of a DMA
};
PullPlan plan_pull(const Damage& missing, const Geometry& geometry);

class CudaCopier {
 public:
  // Registers the mirror, which outlives the copier, with the device. It holds geometry.frame_bytes() and
  // ends at a multiple of 16 bytes.
  static proto::Result<std::unique_ptr<CudaCopier>> create(const proto::CudaDriver& driver,
                                                           const Geometry& geometry,
                                                           std::span<std::byte> mirror);

  // Copies what is missing and waits until the device has it.
  proto::Status copy(CUdeviceptr slot, const Damage& missing);
  proto::Status zero(CUdeviceptr address, uint64_t bytes);
  // True once the context is of no more use.
  bool is_lost() const;

 private:
  CudaCopier(const proto::CudaDriver& driver, const Geometry& geometry, std::span<std::byte> mirror)
      : driver_(driver), geometry_(geometry), mirror_(mirror) {}
  proto::Status prepare();
  proto::Status launch(CUdeviceptr slot, const Damage& missing);

  const proto::CudaDriver& driver_;
  const Geometry geometry_;
  const std::span<std::byte> mirror_;
  CUdeviceptr mirror_on_device_ = 0;
  CUfunction pull_ = nullptr;
  proto::CudaOwned<void*> registration_;
  proto::CudaOwned<CUmodule> module_;
  proto::CudaOwned<CUstream> stream_;
};

}  // namespace framering::daemon
