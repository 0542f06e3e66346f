#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "tests/fake_cuda/memory.h"
#include "tests/fake_cuda/settings.h"

namespace fake_cuda {

namespace {

constexpr int kReserved = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

bool is_whole(size_t bytes) {
  return bytes != 0 && bytes % kGranularity == 0;
}

void* pointer(uintptr_t address) {
  return reinterpret_cast<void*>(address);
}

}  // namespace

CUresult Memory::create(CUmemGenericAllocationHandle* handle, size_t bytes,
                        const CUmemAllocationProp& properties) {
  if (!is_whole(bytes)) return CUDA_ERROR_INVALID_VALUE;
  std::shared_ptr<Allocation> allocation;
  const bool exportable = properties.requestedHandleTypes & CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  const CUresult made = Allocation::create(properties.location.id, bytes, exportable, &allocation);
  if (made == CUDA_SUCCESS) *handle = handles_.add(std::move(allocation));
  return made;
}

CUresult Memory::export_fd(int* fd, CUmemGenericAllocationHandle handle) {
  const auto allocation = handles_.find(handle);
  if (!allocation || !allocation->is_exportable()) return CUDA_ERROR_INVALID_VALUE;
  *fd = fcntl(allocation->fd(), F_DUPFD_CLOEXEC, 0);
  return *fd >= 0 ? CUDA_SUCCESS : CUDA_ERROR_OPERATING_SYSTEM;
}

CUresult Memory::import_fd(CUmemGenericAllocationHandle* handle, int fd) {
  std::shared_ptr<Allocation> allocation;
  const CUresult made = Allocation::import(fd, &allocation);
  if (made == CUDA_SUCCESS) *handle = handles_.add(std::move(allocation));
  return made;
}

// Mappings of it keep the memory.
CUresult Memory::release(CUmemGenericAllocationHandle handle) {
  return handles_.remove(handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult Memory::reserve(CUdeviceptr* address, size_t bytes, size_t alignment) {
  if (!is_whole(bytes) || (alignment != 0 && !std::has_single_bit(alignment)))
    return CUDA_ERROR_INVALID_VALUE;
  alignment = std::max(alignment, kGranularity);
  void* mapped = mmap(nullptr, bytes + alignment, PROT_NONE, kReserved, -1, 0);
  if (mapped == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
  // What the alignment leaves over on both sides goes back.
  const auto start = reinterpret_cast<uintptr_t>(mapped);
  const uintptr_t begin = (start + alignment - 1) / alignment * alignment;
  if (begin != start) munmap(mapped, begin - start);
  munmap(pointer(begin + bytes), start + alignment - begin);
  std::lock_guard lock(mutex_);
  reservations_.emplace(begin, bytes);
  *address = begin;
  return CUDA_SUCCESS;
}

CUresult Memory::free_reservation(CUdeviceptr address, size_t bytes) {
  std::lock_guard lock(mutex_);
  const auto reservation = reservations_.find(address);
  if (reservation == reservations_.end() || reservation->second != bytes) return CUDA_ERROR_INVALID_VALUE;
  const auto mapped = ranges_.lower_bound(address);
  if (mapped != ranges_.end() && mapped->first < address + bytes) return CUDA_ERROR_INVALID_VALUE;
  munmap(pointer(address), bytes);
  reservations_.erase(reservation);
  return CUDA_SUCCESS;
}

CUresult Memory::map(CUdeviceptr address, size_t bytes, CUmemGenericAllocationHandle handle) {
  const auto allocation = handles_.find(handle);
  if (!allocation || !is_whole(bytes) || address % kGranularity != 0) return CUDA_ERROR_INVALID_VALUE;
  if (bytes > allocation->bytes()) return CUDA_ERROR_NOT_SUPPORTED;
  std::lock_guard lock(mutex_);
  auto reservation = reservations_.upper_bound(address);
  if (reservation == reservations_.begin()) return CUDA_ERROR_INVALID_VALUE;
  --reservation;
  const uintptr_t reserved_end = reservation->first + reservation->second;
  if (address >= reserved_end || bytes > reserved_end - address) return CUDA_ERROR_INVALID_VALUE;
  const auto mapped = ranges_.lower_bound(address);
  if (find_locked(address) != ranges_.end() || (mapped != ranges_.end() && mapped->first < address + bytes))
    return CUDA_ERROR_INVALID_VALUE;
  if (mmap(pointer(address), bytes, PROT_NONE, MAP_SHARED | MAP_FIXED, allocation->fd(), 0) == MAP_FAILED)
    return CUDA_ERROR_OUT_OF_MEMORY;
  ranges_.emplace(address,
                  Range{address, bytes, Kind::kMapped, Access::kNone, nullptr, allocation, next_handle()});
  return CUDA_SUCCESS;
}

std::optional<std::pair<Memory::Ranges::iterator, Memory::Ranges::iterator>> Memory::mappings_locked(
    uintptr_t address, size_t bytes) {
  const auto first = ranges_.find(address);
  uintptr_t at = address;
  auto last = first;
  while (last != ranges_.end() && last->first == at && at < address + bytes) {
    if (last->second.kind != Kind::kMapped) return std::nullopt;
    at = last->second.end();
    ++last;
  }
  if (bytes == 0 || at != address + bytes) return std::nullopt;
  return std::pair(first, last);
}

CUresult Memory::unmap(CUdeviceptr address, size_t bytes) {
  std::lock_guard lock(mutex_);
  const auto mappings = mappings_locked(address, bytes);
  if (!mappings) return CUDA_ERROR_INVALID_VALUE;
  // It is a reservation again.
  if (mmap(pointer(address), bytes, PROT_NONE, kReserved | MAP_FIXED, -1, 0) == MAP_FAILED)
    return CUDA_ERROR_OPERATING_SYSTEM;
  ranges_.erase(mappings->first, mappings->second);
  return CUDA_SUCCESS;
}

CUresult Memory::set_access(CUdeviceptr address, size_t bytes, CUdevice device, Access access) {
  std::lock_guard lock(mutex_);
  const auto mappings = mappings_locked(address, bytes);
  if (!mappings) return CUDA_ERROR_INVALID_VALUE;
  for (auto range = mappings->first; range != mappings->second; ++range) {
    if (range->second.allocation->device() != device) return CUDA_ERROR_NOT_SUPPORTED;  // no peers
  }
  const int protection = access == Access::kNone   ? PROT_NONE
                         : access == Access::kRead ? PROT_READ
                                                   : PROT_READ | PROT_WRITE;
  if (mprotect(pointer(address), bytes, protection) != 0) return CUDA_ERROR_OPERATING_SYSTEM;
  for (auto range = mappings->first; range != mappings->second; ++range) range->second.access = access;
  return CUDA_SUCCESS;
}

}  // namespace fake_cuda
