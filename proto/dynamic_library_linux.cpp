#include <dlfcn.h>

#include "proto/dynamic_library.h"

namespace framering::proto {

void* open_cuda_library() {
  return dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
}

void* find_symbol(void* library, const char* name) {
  return dlsym(library, name);
}

std::string library_error() {
  const char* text = dlerror();
  return text ? text : "unknown";
}

}  // namespace framering::proto
