// The conversion on a GPU.
#pragma once

#include <cstddef>
#include <memory>

#include "client/src/tensor_kernel.h"

namespace framering::internal {

// Any thread. Enqueues the conversion on a stream of this device (by its CUDA ordinal) and does not wait for
// it. Runs in the caller's current context if that is on this device, else in the primary one. Throws
// memory_unavailable, out_of_memory, unavailable, and invalid_argument, with nothing enqueued, where the
// stream is being captured into a graph.
void convert_on_device(int device, const TensorArguments& arguments, void* cuda_stream);

// Any thread, contexts and errors as above. Freeing the memory waits for the work that uses it.
std::shared_ptr<std::byte> allocate_on_device(int device, size_t bytes);
void wait_for_stream(int device, void* cuda_stream);
void copy_from_device(int device, const std::byte* from, size_t bytes, void* to);

}  // namespace framering::internal
