// Errors on demand, and a record of the calls.
#pragma once

#include <cuda.h>

#include <string>

namespace fake_cuda {

// "cuMemAlloc" for cuMemAlloc_v2.
std::string plain_name(const char* call);

// Records the call. What it has to return without doing anything, or CUDA_SUCCESS. A rule for "*" means the
// calls that need the device.
CUresult begin_call(const char* call, bool needs_device);

// Adds a line to the record.
void record(const std::string& what);

// After such an error, every further call in the context returns it.
bool is_sticky(CUresult result);

}  // namespace fake_cuda
