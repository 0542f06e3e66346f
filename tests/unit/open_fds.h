// How many descriptors this process has, to see that none is left behind.
#pragma once

#include <cstddef>
#include <filesystem>
#include <iterator>

namespace framering::testing {

inline size_t open_fds() {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

}  // namespace framering::testing
