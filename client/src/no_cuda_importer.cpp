#include <string>

#include "client/src/importer.h"

namespace framering::internal {

proto::Result<std::unique_ptr<PixelRegion>> import_cuda_pixels(const PixelHandle& pixels, proto::LeasePage&,
                                                               const ImportOptions&) {
  return proto::Error{
      proto::ErrorCode::kMemoryUnavailable,
      "this client library cannot map " + std::string(proto::memory_name(pixels.kind)) + " memory",
      "open the stream with memory=host, or build the library where the CUDA toolkit is"};
}

}  // namespace framering::internal
