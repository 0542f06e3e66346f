#include "tests/support/process_usage.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <sstream>
#include <string>
#include <thread>

namespace framering::testing {

namespace {

std::filesystem::path proc(pid_t pid, const char* name) {
  return std::filesystem::path("/proc") / std::to_string(pid) / name;
}

size_t entries(const std::filesystem::path& folder) {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

// From field 3, the state, on; the name before it may hold spaces.
std::istringstream stat_of(pid_t pid) {
  std::ifstream file(proc(pid, "stat"));
  std::string line;
  std::getline(file, line);
  return std::istringstream(line.substr(line.rfind(')') + 1));
}

}  // namespace

ProcessUsage usage_of(pid_t pid) {
  ProcessUsage usage{entries(proc(pid, "fd")), entries(proc(pid, "task")), 0};
  std::ifstream maps(proc(pid, "maps"));
  for (std::string line; std::getline(maps, line);) usage.memfds += line.find("/memfd:") != std::string::npos;
  return usage;
}

ProcessUsage settled_usage_of(pid_t pid) {
  using namespace std::chrono_literals;
  ProcessUsage usage;
  const auto end = std::chrono::steady_clock::now() + 10s;
  for (int same = 0; same < 20 && std::chrono::steady_clock::now() < end; ++same) {
    const ProcessUsage now = usage_of(pid);
    if (now != usage) same = 0;
    usage = now;
    std::this_thread::sleep_for(5ms);
  }
  return usage;
}

std::ostream& operator<<(std::ostream& out, const ProcessUsage& usage) {
  return out << usage.fds << " descriptors, " << usage.threads << " threads, " << usage.memfds
             << " mapped memfds";
}

uint64_t private_memory_kib(pid_t pid) {
  std::ifstream status(proc(pid, "status"));
  std::string key;
  uint64_t kib = 0;
  while (status >> key && key != "RssAnon:") {
  }
  status >> kib;
  return kib;
}

std::chrono::milliseconds cpu_time_of(pid_t pid) {
  auto fields = stat_of(pid);
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  long user = 0, system = 0;
  fields >> user >> system;
  return std::chrono::milliseconds((user + system) * 1000 / sysconf(_SC_CLK_TCK));
}

char state_of(pid_t pid) {
  char state = 0;
  stat_of(pid) >> state;
  return state;
}

}  // namespace framering::testing
