#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "importer.h"

namespace framering::internal {

using proto::Error;
using proto::ErrorCode;

namespace {

class HostRegion : public PixelRegion {
 public:
  HostRegion(void* data, uint64_t bytes) : data_(data), bytes_(bytes) {}
  ~HostRegion() override { munmap(data_, bytes_); }
  const std::byte* data() const override { return static_cast<const std::byte*>(data_); }
  proto::Status copy_to_host(uint64_t offset, uint64_t bytes, std::byte* to) const override {
    std::memcpy(to, data() + offset, bytes);
    return proto::Ok{};
  }
  proto::Result<std::shared_ptr<std::byte>> copy_on_device(uint64_t, uint64_t, void*) const override {
    return no_streams();
  }
  proto::Result<std::unique_ptr<StreamMark>> mark(void*) const override { return no_streams(); }
  proto::Status release_after(std::optional<void*>, StreamMarks, std::atomic<uint64_t>&) override {
    return no_streams();
  }

 private:
  static Error no_streams() {
    return Error{ErrorCode::kInvalidArgument, "this frame is in host memory, which has no streams",
                 "release it when its readers are done"};
  }

  void* data_;
  uint64_t bytes_;
};

}  // namespace

proto::Status check_sealed(const proto::UniqueFd& fd, uint64_t bytes, const char* what) {
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return proto::errno_error(ErrorCode::kProtocol, what, errno);
  const int seals = fcntl(fd.get(), F_GET_SEALS);
  if (info.st_size < 0 || static_cast<uint64_t>(info.st_size) != bytes || seals < 0 ||
      !(seals & F_SEAL_SHRINK)) {
    return Error{
        ErrorCode::kProtocol,
        std::string("the daemon sent a ") + what + " of another size than it said, or one that could shrink",
        {}};
  }
  return proto::Ok{};
}

proto::Result<std::unique_ptr<PixelRegion>> import_host_pixels(const proto::UniqueFd& handle,
                                                               uint64_t region_bytes) {
  if (auto checked = check_sealed(handle, region_bytes, "pixel region"); !checked) return checked.error();
  void* data = mmap(nullptr, region_bytes, PROT_READ, MAP_SHARED, handle.get(), 0);
  if (data == MAP_FAILED)
    return proto::errno_error(ErrorCode::kOutOfMemory, "cannot map the pixel region", errno);
  return std::unique_ptr<PixelRegion>(std::make_unique<HostRegion>(data, region_bytes));
}

}  // namespace framering::internal
