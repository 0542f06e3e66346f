// What a wake-up costs without anything of ours: one process stores the time and wakes the others, each by a
// word in a page of its own, as often a second as said; each says how long after that it ran. With `watch`
// they watch their words and nobody is woken.
//
//   bench_futex WAITERS HZ SECONDS [watch]
#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "proto/relax.h"
#include "tests/bench/samples.h"

namespace {

using framering::bench::now_ns;
using framering::bench::Samples;

constexpr size_t kMostSamples = 65536;

struct Page {
  alignas(64) std::atomic<uint32_t> word;
  alignas(64) std::atomic<uint32_t> count;
  uint64_t delays_ns[kMostSamples];
};

struct Shared {
  alignas(64) std::atomic<uint64_t> woken_ns;
};

template <class T>
T* share(size_t count) {
  void* memory = mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  return static_cast<T*>(memory);
}

[[noreturn]] void wait_forever(Page& page, const Shared& shared, bool watch) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (uint32_t seen = 0;;) {
    if (watch) {
      while (page.word.load() == seen) framering::proto::relax();
    } else {
      syscall(SYS_futex, &page.word, FUTEX_WAIT, seen, nullptr, nullptr, 0);
    }
    const uint64_t now = now_ns();
    const uint32_t word = page.word.load();
    if (word == seen) continue;
    seen = word;
    const uint32_t count = page.count.load();
    if (count == kMostSamples) continue;
    page.delays_ns[count] = now - shared.woken_ns.load();
    page.count.store(count + 1);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool watch = argc == 5 && std::string_view(argv[4]) == "watch";
  const int waiters = argc == 4 || watch ? std::atoi(argv[1]) : 0;
  const double hz = argc == 4 || watch ? std::atof(argv[2]) : 0;
  if (waiters < 1 || !(hz > 0)) {
    std::fprintf(stderr, "usage: bench_futex WAITERS HZ SECONDS [watch]\n");
    return 2;
  }
  const auto interval_ns = static_cast<uint64_t>(1e9 / hz);
  const auto end_ns = now_ns() + static_cast<uint64_t>(std::atof(argv[3]) * 1e9);
  auto* const shared = share<Shared>(1);
  auto* const pages = share<Page>(static_cast<size_t>(waiters));
  std::vector<pid_t> children;
  for (int i = 0; i < waiters; ++i) {
    const pid_t child = fork();
    if (child == 0) wait_forever(pages[i], *shared, watch);
    children.push_back(child);
  }
  prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
  int first = 0;  // another one each time: nobody is always the last to be woken
  for (uint64_t due = now_ns() + 10 * interval_ns; due < end_ns; due += interval_ns, ++first) {
    const timespec until{static_cast<time_t>(due / 1'000'000'000), static_cast<long>(due % 1'000'000'000)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
    shared->woken_ns.store(now_ns());
    for (int i = 0; i < waiters; ++i) {
      Page& page = pages[(first + i) % waiters];
      page.word.fetch_add(1);
      if (!watch) syscall(SYS_futex, &page.word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
    }
  }
  Samples delays;
  for (const pid_t child : children) kill(child, SIGKILL);
  for (const pid_t child : children) waitpid(child, nullptr, 0);
  for (int i = 0; i < waiters; ++i) {
    for (uint32_t j = 0; j < pages[i].count.load(); ++j) delays.add(pages[i].delays_ns[j]);
  }
  std::printf("{\"waiters\": %d, \"wake_us\": %s}\n", waiters, delays.json().c_str());
  return 0;
}
