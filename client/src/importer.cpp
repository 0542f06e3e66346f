#include "client/src/importer.h"

namespace framering::internal {

using proto::Error;
using proto::ErrorCode;

proto::Result<std::unique_ptr<PixelRegion>> import_pixels(const PixelHandle& pixels,
                                                          proto::LeasePage& lease_page,
                                                          const ImportOptions& options) {
  if (proto::is_cuda(pixels.kind)) return import_cuda_pixels(pixels, lease_page, options);
  if (!options.device.empty()) {
    return Error{ErrorCode::kMemoryUnavailable,
                 "the stream is in host memory, not on CUDA device " + options.device,
                 "start frameringd with --memory cuda:" + options.device + ", or open it without a device"};
  }
  return import_host_pixels(pixels.fd, pixels.region_bytes);
}

}  // namespace framering::internal
