// Tells the processor that this thread watches memory in a loop.
#pragma once

namespace framering::proto {

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace framering::proto
