#include <fstream>
#include <sstream>
#include <string>

#include "tests/fake_cuda/memory.h"

namespace fake_cuda {

namespace {

// What the process may do with all of the pages of [begin, end).
Access page_access(uintptr_t begin, uintptr_t end) {
  std::ifstream maps("/proc/self/maps");
  std::string line;
  Access access = Access::kReadWrite;
  uintptr_t at = begin;
  while (at < end && std::getline(maps, line)) {
    std::istringstream fields(line);  // "7f00-7f10 rw-s ..."
    uintptr_t from = 0;
    uintptr_t to = 0;
    char dash = 0;
    std::string permissions;
    fields >> std::hex >> from >> dash >> to >> permissions;
    if (!fields) return Access::kNone;
    if (to <= at) continue;
    if (from > at || permissions[0] != 'r') return Access::kNone;
    if (permissions[1] != 'w') access = Access::kRead;
    at = to;
  }
  return at >= end ? access : Access::kNone;
}

}  // namespace

CUresult Memory::register_host(Context& context, const void* address, size_t bytes, bool read_only) {
  const auto begin = reinterpret_cast<uintptr_t>(address);
  if (begin == 0 || bytes == 0 || begin + bytes < begin) return CUDA_ERROR_INVALID_VALUE;
  const Access wanted = read_only ? Access::kRead : Access::kReadWrite;
  std::lock_guard lock(mutex_);
  const auto after = ranges_.lower_bound(begin);
  if (find_locked(begin) != ranges_.end() || (after != ranges_.end() && after->first < begin + bytes))
    return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
  if (page_access(begin, begin + bytes) < wanted) return CUDA_ERROR_INVALID_VALUE;
  ranges_.emplace(begin, Range{begin, bytes, Kind::kHost, wanted, &context, nullptr, next_handle()});
  return CUDA_SUCCESS;
}

CUresult Memory::unregister_host(const void* address) {
  std::lock_guard lock(mutex_);
  const auto begin = reinterpret_cast<uintptr_t>(address);
  const auto range = find_locked(begin);
  if (range == ranges_.end() || range->second.kind != Kind::kHost)
    return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
  if (range->first != begin) return CUDA_ERROR_INVALID_VALUE;
  ranges_.erase(range);
  return CUDA_SUCCESS;
}

}  // namespace fake_cuda
