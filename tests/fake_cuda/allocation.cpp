#include "tests/fake_cuda/allocation.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "tests/fake_cuda/handle_table.h"
#include "tests/fake_cuda/settings.h"

namespace fake_cuda {

namespace {

// With the device's number in the machine: what a descriptor tells the process that imports it.
constexpr std::string_view kName = "fake-cuda-device-";

std::atomic<uint64_t>& used_bytes(CUdevice device) {
  static std::array<std::atomic<uint64_t>, kMaxDevices> used{};
  return used[static_cast<size_t>(device)];
}

bool take_bytes(CUdevice device, size_t bytes) {
  std::atomic<uint64_t>& used = used_bytes(device);
  uint64_t before = used;
  do {
    if (bytes > settings().memory_bytes - std::min(before, settings().memory_bytes)) return false;
  } while (!used.compare_exchange_weak(before, before + bytes));
  return true;
}

}  // namespace

Allocation::Allocation(UniqueFd fd, CUdevice device, size_t bytes, bool exportable, bool counted)
    : fd_(std::move(fd)),
      device_(device),
      bytes_(bytes),
      exportable_(exportable),
      counted_(counted),
      id_(next_handle()) {}

Allocation::~Allocation() {
  if (counted_) used_bytes(device_) -= bytes_;
}

CUresult Allocation::create(CUdevice device, size_t bytes, bool exportable,
                            std::shared_ptr<Allocation>* made) {
  if (!take_bytes(device, bytes)) return CUDA_ERROR_OUT_OF_MEMORY;
  const std::string name =
      std::string(kName) + std::to_string(settings().devices[static_cast<size_t>(device)]);
  UniqueFd fd(memfd_create(name.c_str(), MFD_CLOEXEC));
  if (fd.get() < 0 || ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) {
    used_bytes(device) -= bytes;
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  made->reset(new Allocation(std::move(fd), device, bytes, exportable, true));
  return CUDA_SUCCESS;
}

CUresult Allocation::import(int fd, std::shared_ptr<Allocation>* made) {
  char target[64] = "";
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  if (readlink(link.c_str(), target, sizeof target - 1) < 0) return CUDA_ERROR_UNKNOWN;
  const std::string prefix = "/memfd:" + std::string(kName);
  const std::string_view name = target;
  int number = -1;
  if (!name.starts_with(prefix) ||
      std::from_chars(name.data() + prefix.size(), name.data() + name.size(), number).ec != std::errc()) {
    return CUDA_ERROR_UNKNOWN;
  }
  const auto& visible = settings().devices;
  const auto device = std::find(visible.begin(), visible.end(), number);
  if (device == visible.end()) return CUDA_ERROR_INVALID_DEVICE;
  struct stat file {};
  UniqueFd own(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (own.get() < 0 || fstat(own.get(), &file) != 0) return CUDA_ERROR_UNKNOWN;
  made->reset(new Allocation(std::move(own), static_cast<CUdevice>(device - visible.begin()),
                             static_cast<size_t>(file.st_size), true, false));
  return CUDA_SUCCESS;
}

}  // namespace fake_cuda
