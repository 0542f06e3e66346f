// Legacy IPC between processes: a handle names a socket of the exporting process, which hands out a
// descriptor of the memory as long as it lives and has not freed it. Nothing is left over when it is killed.
#pragma once

#include <cuda.h>

#include <cstdint>
#include <memory>

#include "tests/fake_cuda/allocation.h"

namespace fake_cuda {

// The bytes of a CUipcMemHandle.
struct IpcName {
  uint64_t magic;
  uint64_t process;  // chosen at random by the exporting process
  uint64_t memory;   // the allocation's id there
  uint64_t bytes;
};

// Any thread.
IpcName ipc_export(const std::shared_ptr<Allocation>& allocation, size_t bytes);
// The memory was freed: it can no longer be opened.
void ipc_withdraw(const Allocation& allocation);

bool is_ipc_name(const IpcName& name);
bool is_of_this_process(const IpcName& name);
// CUDA_ERROR_INVALID_VALUE where the exporting process is gone or has freed it.
CUresult ipc_import(const IpcName& name, std::shared_ptr<Allocation>* made);

}  // namespace fake_cuda
