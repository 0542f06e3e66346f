// How much memory this process may still take.
#pragma once

#include <cstdint>
#include <filesystem>

namespace framering::daemon {

// What the machine has free or can reclaim, or less where a cgroup of this process (v2 or v1) leaves less.
// Swap does not count. UINT64_MAX where the system does not tell.
uint64_t available_memory_bytes(const std::filesystem::path& proc_root = "/proc",
                                const std::filesystem::path& cgroup_root = "/sys/fs/cgroup");

}  // namespace framering::daemon
