#include <sys/mman.h>

#include <cstring>
#include <utility>

#include "tests/fake_cuda/driver.h"
#include "tests/fake_cuda/ipc.h"
#include "tests/fake_cuda/memory.h"

namespace fake_cuda {

CUresult Memory::map_whole_locked(Kind kind, Context& context, std::shared_ptr<Allocation> allocation,
                                  size_t bytes, CUdeviceptr* address) {
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, allocation->fd(), 0);
  if (mapped == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
  const auto begin = reinterpret_cast<uintptr_t>(mapped);
  ranges_.emplace(
      begin, Range{begin, bytes, kind, Access::kReadWrite, &context, std::move(allocation), next_handle()});
  *address = begin;
  return CUDA_SUCCESS;
}

void Memory::drop_locked(Ranges::iterator range) {
  if (range->second.kind == Kind::kAllocated) ipc_withdraw(*range->second.allocation);
  if (range->second.kind != Kind::kHost)
    munmap(reinterpret_cast<void*>(range->second.begin), range->second.bytes);
  ranges_.erase(range);
}

CUresult Memory::allocate(Context& context, CUdeviceptr* address, size_t bytes) {
  std::shared_ptr<Allocation> allocation;
  if (const CUresult made = Allocation::create(context.device(), bytes, false, &allocation);
      made != CUDA_SUCCESS) {
    return made;
  }
  std::lock_guard lock(mutex_);
  return map_whole_locked(Kind::kAllocated, context, std::move(allocation), bytes, address);
}

CUresult Memory::free(CUdeviceptr address) {
  std::lock_guard lock(mutex_);
  const auto range = ranges_.find(address);
  if (range == ranges_.end() || range->second.kind != Kind::kAllocated) return CUDA_ERROR_INVALID_VALUE;
  drop_locked(range);
  return CUDA_SUCCESS;
}

CUresult Memory::get_ipc_handle(CUdeviceptr address, CUipcMemHandle* handle) {
  std::lock_guard lock(mutex_);
  const auto range = find_locked(address);
  if (range == ranges_.end() || range->second.kind != Kind::kAllocated) return CUDA_ERROR_INVALID_VALUE;
  const IpcName name = ipc_export(range->second.allocation, range->second.bytes);
  static_assert(sizeof name <= sizeof handle->reserved);
  *handle = {};
  std::memcpy(handle->reserved, &name, sizeof name);
  return CUDA_SUCCESS;
}

CUresult Memory::open_ipc_handle(Context& context, const CUipcMemHandle& handle, CUdeviceptr* address) {
  IpcName name;
  std::memcpy(&name, handle.reserved, sizeof name);
  if (!is_ipc_name(name)) return CUDA_ERROR_INVALID_VALUE;
  if (is_of_this_process(name)) return CUDA_ERROR_INVALID_CONTEXT;
  std::lock_guard lock(mutex_);
  const std::tuple key(&context, name.process, name.memory);
  if (const auto opened = ipc_opened_.find(key); opened != ipc_opened_.end()) {
    ++opened->second.times;
    *address = opened->second.address;
    return CUDA_SUCCESS;
  }
  std::shared_ptr<Allocation> allocation;
  if (const CUresult made = ipc_import(name, &allocation); made != CUDA_SUCCESS) return made;
  if (allocation->device() != context.device()) return CUDA_ERROR_INVALID_VALUE;
  const CUresult mapped =
      map_whole_locked(Kind::kImported, context, std::move(allocation), name.bytes, address);
  if (mapped == CUDA_SUCCESS) ipc_opened_.emplace(key, Opened{*address, 1});
  return mapped;
}

CUresult Memory::close_ipc_handle(CUdeviceptr address) {
  std::lock_guard lock(mutex_);
  for (auto opened = ipc_opened_.begin(); opened != ipc_opened_.end(); ++opened) {
    if (opened->second.address != address) continue;
    if (--opened->second.times > 0) return CUDA_SUCCESS;
    drop_locked(ranges_.find(address));
    ipc_opened_.erase(opened);
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

}  // namespace fake_cuda
