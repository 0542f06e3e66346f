// Libraries that are looked for at run time. What is opened stays open.
#pragma once

#include <string>

namespace framering::proto {

// The NVIDIA driver's library where the loader finds it, or null.
void* open_cuda_library();
void* find_symbol(void* library, const char* name);
// Why the last of these calls of this thread failed.
std::string library_error();

}  // namespace framering::proto
