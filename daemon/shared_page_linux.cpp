#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <utility>

#include "daemon/shared_page.h"

namespace framering::daemon {

using proto::errno_error;
using proto::ErrorCode;
using proto::UniqueFd;

proto::Result<SharedPage> SharedPage::create(const char* name, size_t bytes) {
  SharedPage page;
  page.fd_ = UniqueFd(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!page.fd_) return errno_error(ErrorCode::kOutOfMemory, "cannot create a shared page", errno);
  // posix_fallocate: a page that cannot be had fails here and not as a fault later. 0600: a read-only
  // descriptor of it must not be opened again for writing by another user.
  if (const int error = posix_fallocate(page.fd_.get(), 0, static_cast<off_t>(bytes))) {
    return errno_error(ErrorCode::kOutOfMemory, "cannot allocate a shared page", error);
  }
  if (fchmod(page.fd_.get(), 0600) != 0 ||
      fcntl(page.fd_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
    return errno_error(ErrorCode::kInternal, "cannot seal a shared page", errno);
  }
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, page.fd_.get(), 0);
  if (data == MAP_FAILED) return errno_error(ErrorCode::kOutOfMemory, "cannot map a shared page", errno);
  page.data_ = data;
  page.bytes_ = bytes;
  return page;
}

SharedPage::SharedPage(SharedPage&& other) noexcept
    : fd_(std::move(other.fd_)), data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}

SharedPage& SharedPage::operator=(SharedPage&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

SharedPage::~SharedPage() {
  if (data_) munmap(data_, bytes_);
}

proto::Status SharedPage::seal_seals() {
  if (fcntl(fd_.get(), F_ADD_SEALS, F_SEAL_SEAL) != 0) {
    return errno_error(ErrorCode::kInternal, "cannot seal a shared page", errno);
  }
  return proto::Ok{};
}

proto::Status SharedPage::seal_writes() {
  if (fchmod(fd_.get(), 0400) != 0 || fcntl(fd_.get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) != 0) {
    return errno_error(ErrorCode::kInternal, "cannot seal a shared page", errno);
  }
  return proto::Ok{};
}

proto::Result<UniqueFd> SharedPage::reopen_read_only() const {
  UniqueFd fd(open(("/proc/self/fd/" + std::to_string(fd_.get())).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return errno_error(ErrorCode::kOutOfMemory, "cannot reopen a shared page", errno);
  return fd;
}

}  // namespace framering::daemon
