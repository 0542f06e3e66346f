#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>

#include "client/cli/doctor.h"
#include "proto/channel.h"
#include "proto/unique_fd.h"

namespace framering::cli {

namespace {

using proto::UniqueFd;

constexpr rlim_t kFewDescriptors = 1024;
constexpr double kLittleMemoryMiB = 512;

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

Check check_kernel() {
  utsname system{};
  uname(&system);
  char* rest = nullptr;
  const auto major = std::strtoul(system.release, &rest, 10);
  const auto minor = *rest == '.' ? std::strtoul(rest + 1, nullptr, 10) : 0;
  Check check{.name = "kernel", .found = std::string(system.sysname) + " " + system.release};
  if (std::pair(major, minor) < std::pair(5UL, 3UL)) {
    check.verdict = Verdict::kBroken;
    check.fix = "Framering needs Linux 5.3 or newer";
    return check;
  }
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return check;
  const UniqueFd one(ends[0]), other(ends[1]);
  if (const auto pidfd = proto::peer_pidfd(one.get()); !pidfd) {
    check.verdict = Verdict::kBroken;
    check.found += ": " + pidfd.error().message;
    check.fix = "frameringd must be allowed pidfd_open(): see the system call filter of its sandbox";
  }
  return check;
}

// Frames are in memory of this kind: made, sealed, and mapped by another.
Check check_shared_memory() {
  Check check{.name = "memory"};
  const UniqueFd fd(memfd_create("framering-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const auto fails = [&](const char* what, const char* fix) {
    check.verdict = Verdict::kBroken;
    check.found = std::string(what) + ": " + std::strerror(errno);
    check.fix = fix;
    return check;
  };
  if (!fd) return fails("memfd_create() is refused", "does a sandbox forbid it? see its system call filter");
  if (ftruncate(fd.get(), 4096) != 0 || fcntl(fd.get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE) != 0) {
    return fails("F_SEAL_FUTURE_WRITE is refused",
                 "Framering needs Linux 5.3 or newer, outside of a sandbox without it");
  }
  std::ifstream info("/proc/meminfo");
  double available_mib = -1;
  for (std::string line; std::getline(info, line);) {
    constexpr std::string_view kName = "MemAvailable:";
    if (!line.starts_with(kName)) continue;
    available_mib = static_cast<double>(std::strtoull(line.c_str() + kName.size(), nullptr, 10)) / 1024;
  }
  if (available_mib < 0) {
    check.verdict = Verdict::kWarning;
    check.found = "shared memory works; /proc/meminfo cannot be read";
    check.fix = "mount /proc";
    return check;
  }
  check.found =
      "shared memory works, " + std::to_string(static_cast<long long>(available_mib)) + " MiB available";
  check.figures = {{"available_mib", available_mib}};
  if (available_mib < kLittleMemoryMiB) {
    check.verdict = Verdict::kWarning;
    check.fix = "6 frames of 3840x2160 take 200 MiB: free memory, or fewer slots";
  }
  return check;
}

Check check_dev_shm() {
  Check check{.name = "/dev/shm"};
  const std::string path = "/dev/shm/framering-doctor-" + std::to_string(getpid());
  const UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (fd) {
    unlink(path.c_str());
    check.found = "can be written";
  } else {
    check.verdict = Verdict::kWarning;
    check.found = std::string("cannot be written: ") + std::strerror(errno);
    check.fix =
        "Framering does without, X programs that share pictures (MIT-SHM) may not: mount a tmpfs there";
  }
  return check;
}

std::string limit_text(rlim_t limit, rlim_t unit, const char* name) {
  return limit == RLIM_INFINITY ? "unlimited" : std::to_string(limit / unit) + name;
}

Check check_descriptors() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  Check check{.name = "descriptors",
              .found = "nofile " + limit_text(limit.rlim_cur, 1, "") + ", at most " +
                       limit_text(limit.rlim_max, 1, "")};
  check.figures = {{"soft", static_cast<double>(limit.rlim_cur)},
                   {"hard", static_cast<double>(limit.rlim_max)}};
  if (limit.rlim_max < kFewDescriptors) {
    check.verdict = Verdict::kWarning;
    check.fix =
        "a client takes up to 5 descriptors of a daemon: raise the hard limit (ulimit -Hn, LimitNOFILE=)";
  }
  return check;
}

Check check_memlock() {
  rlimit limit{};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  return {.name = "memlock",
          .found = limit_text(limit.rlim_cur, 1024, " KiB") +
                   "; frames in host memory lock none, the CUDA driver its own"};
}

// Ages of frames are as good as this clock, and as cheap.
Check check_clock() {
  Check check{.name = "clock"};
  const std::string source = first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  timespec begin{}, end{};
  constexpr int kReads = 10'000;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  for (int i = 0; i < kReads; ++i) clock_gettime(CLOCK_MONOTONIC, &end);
  const double ns = (static_cast<double>(end.tv_sec - begin.tv_sec) * 1e9 +
                     static_cast<double>(end.tv_nsec - begin.tv_nsec)) /
                    kReads;
  char text[64];
  std::snprintf(text, sizeof text, "%s, %.0f ns a look", source.empty() ? "unknown" : source.c_str(), ns);
  check.found = text;
  check.figures = {{"read_ns", ns}};
  if (source == "hpet" || source == "acpi_pm" || source == "jiffies") {
    check.verdict = Verdict::kWarning;
    check.fix = "this clock is slow: boot with clocksource=tsc where the processor's is reliable";
  }
  return check;
}

}  // namespace

std::vector<Check> check_system() {
  return {check_kernel(),      check_shared_memory(), check_dev_shm(),
          check_descriptors(), check_memlock(),       check_clock()};
}

}  // namespace framering::cli
