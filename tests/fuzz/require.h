// What must hold whatever the input; a crash is how a fuzz target tells.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace framering::fuzz {

inline void require(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

}  // namespace framering::fuzz
