// Addresses: device memory as it is mapped here, and host memory that is registered. A device pointer is a
// host address of this process, with the access that the driver granted.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <tuple>
#include <utility>

#include "tests/fake_cuda/allocation.h"
#include "tests/fake_cuda/handle_table.h"

namespace fake_cuda {

class Context;

enum class Kind { kAllocated, kImported, kMapped, kHost };  // cuMemAlloc, IPC, VMM, registered
enum class Access { kNone, kRead, kReadWrite };

struct Range {
  uintptr_t begin = 0;
  size_t bytes = 0;
  Kind kind = Kind::kHost;
  Access access = Access::kNone;
  Context* context = nullptr;              // null for VMM: it belongs to none
  std::shared_ptr<Allocation> allocation;  // null for host memory
  uint64_t id = 0;

  uintptr_t end() const { return begin + bytes; }
};

// Any thread.
class Memory {
 public:
  static Memory& get();

  // VMM, memory_vmm.cpp
  CUresult create(CUmemGenericAllocationHandle* handle, size_t bytes, const CUmemAllocationProp& properties);
  CUresult export_fd(int* fd, CUmemGenericAllocationHandle handle);
  CUresult import_fd(CUmemGenericAllocationHandle* handle, int fd);
  CUresult release(CUmemGenericAllocationHandle handle);
  CUresult reserve(CUdeviceptr* address, size_t bytes, size_t alignment);
  CUresult free_reservation(CUdeviceptr address, size_t bytes);
  CUresult map(CUdeviceptr address, size_t bytes, CUmemGenericAllocationHandle handle);
  CUresult unmap(CUdeviceptr address, size_t bytes);
  CUresult set_access(CUdeviceptr address, size_t bytes, CUdevice device, Access access);

  // cuMemAlloc and its IPC, memory_alloc.cpp
  CUresult allocate(Context& context, CUdeviceptr* address, size_t bytes);
  CUresult free(CUdeviceptr address);
  CUresult get_ipc_handle(CUdeviceptr address, CUipcMemHandle* handle);
  CUresult open_ipc_handle(Context& context, const CUipcMemHandle& handle, CUdeviceptr* address);
  CUresult close_ipc_handle(CUdeviceptr address);

  // Registered host memory, memory_host.cpp
  CUresult register_host(Context& context, const void* address, size_t bytes, bool read_only);
  CUresult unregister_host(const void* address);

  // Whether a device may access all of [address, address + bytes).
  bool allows(CUdeviceptr address, size_t bytes, Access access) const;
  // The range that an address is in.
  std::optional<Range> find(CUdeviceptr address) const;

  // A context is gone, and what it owned with it: all but VMM.
  void forget(const Context& context);

 private:
  struct Opened {
    uintptr_t address;
    int times;
  };
  using Ranges = std::map<uintptr_t, Range>;  // by their begin; they do not overlap

  Ranges::const_iterator find_locked(uintptr_t address) const;
  // The mappings that are [address, address + bytes) exactly; nullopt if there are no such.
  std::optional<std::pair<Ranges::iterator, Ranges::iterator>> mappings_locked(uintptr_t address,
                                                                               size_t bytes);
  CUresult map_whole_locked(Kind kind, Context& context, std::shared_ptr<Allocation> allocation, size_t bytes,
                            CUdeviceptr* address);
  void drop_locked(Ranges::iterator range);

  mutable std::mutex mutex_;
  Ranges ranges_;
  std::map<uintptr_t, size_t> reservations_;  // size by begin
  // By context, exporting process and memory there.
  std::map<std::tuple<const Context*, uint64_t, uint64_t>, Opened> ipc_opened_;
  HandleTable<CUmemGenericAllocationHandle, Allocation> handles_;
};

}  // namespace fake_cuda
