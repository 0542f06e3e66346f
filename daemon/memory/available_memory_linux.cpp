#include <algorithm>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/memory/available_memory.h"

namespace framering::daemon {

namespace {

using std::filesystem::path;

struct CgroupFiles {
  const char* limit;
  const char* usage;
  const char* reclaimable;  // a key of memory.stat
};
constexpr CgroupFiles kVersion1{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"};
constexpr CgroupFiles kVersion2{"memory.max", "memory.current", "inactive_file"};

// None where there is no such file, or it holds a word such as "max".
std::optional<uint64_t> read_number(const path& file) {
  uint64_t value;
  std::ifstream in(file);
  if (in >> value) return value;
  return std::nullopt;
}

// From lines of "key value".
std::optional<uint64_t> read_key(const path& file, std::string_view key) {
  std::ifstream in(file);
  std::string name;
  uint64_t value;
  while (in >> name >> value) {
    if (name == key) return value;
    in.ignore(64, '\n');
  }
  return std::nullopt;
}

uint64_t left_in_cgroup(const path& directory, const CgroupFiles& files) {
  const auto limit = read_number(directory / files.limit);
  const auto usage = read_number(directory / files.usage);
  if (!limit || !usage) return UINT64_MAX;
  const uint64_t reclaimable = read_key(directory / "memory.stat", files.reclaimable).value_or(0);
  const uint64_t used = *usage - std::min(*usage, reclaimable);
  return *limit - std::min(*limit, used);
}

// A group is bound by the groups around it, up to the root of the hierarchy.
uint64_t left_in_hierarchy(const path& mount, const path& group, const CgroupFiles& files) {
  uint64_t left = left_in_cgroup(mount, files);
  path directory = mount;
  for (const path& part : group.relative_path()) {
    directory /= part;
    left = std::min(left, left_in_cgroup(directory, files));
  }
  return left;
}

}  // namespace

uint64_t available_memory_bytes(const path& proc_root, const path& cgroup_root) {
  uint64_t available = UINT64_MAX;
  if (const auto kib = read_key(proc_root / "meminfo", "MemAvailable:")) available = *kib * 1024;

  // Lines of "id:controllers:group"; version 2 names no controllers.
  std::ifstream groups(proc_root / "self" / "cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t controllers = line.find(':') + 1;
    const size_t group = line.find(':', controllers) + 1;
    if (controllers == 0 || group == 0) continue;
    const std::string names = ',' + line.substr(controllers, group - 1 - controllers) + ',';
    if (names == ",,") {
      available = std::min(available, left_in_hierarchy(cgroup_root, line.substr(group), kVersion2));
    } else if (names.find(",memory,") != std::string::npos) {
      available =
          std::min(available, left_in_hierarchy(cgroup_root / "memory", line.substr(group), kVersion1));
    }
  }
  return available;
}

}  // namespace framering::daemon
