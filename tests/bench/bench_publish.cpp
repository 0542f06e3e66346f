// What a frame costs the capture thread with 1, 8, 64 and 256 clients: choosing a slot and publishing it. The
// clients are processes that lease every frame they are woken for.
#include <linux/futex.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "daemon/publisher.h"
#include "daemon/ring.h"
#include "proto/lease.h"
#include "tests/bench/samples.h"

namespace {

using framering::bench::now_ns;
using framering::bench::Samples;
using framering::bench::time_ns;
using framering::daemon::CaptureInfo;
using framering::daemon::Publisher;
using framering::daemon::Reader;
using framering::daemon::ReaderTable;
using framering::daemon::Ring;
using framering::daemon::RingOptions;
using framering::proto::Acquire;
using framering::proto::FrameRef;

constexpr int kFrames = 600;
constexpr uint64_t kIntervalNs = 4'000'000;

[[noreturn]] void read_forever(const Ring& ring, Reader& reader) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  framering::proto::LeasePage& page = *reader.page();
  uint64_t seen = 0;
  for (;;) {
    const uint32_t word = page.wake_word.load();
    page.waiting.store(1);
    const FrameRef frame = FrameRef::unpack(ring.control()->latest.load());
    if (frame.sequence == seen) {
      syscall(SYS_futex, &page.wake_word, FUTEX_WAIT, word, nullptr, nullptr, 0);
      continue;
    }
    const auto& slot = framering::proto::slot_headers(ring.control())[frame.slot];
    if (framering::proto::acquire(slot, page.leases[0], frame) == Acquire::kLeased) {
      seen = frame.sequence;
      framering::proto::release(page.leases[0]);
    }
  }
}

void measure(size_t clients) {
  RingOptions options;
  options.geometry = {1920, 1080, framering::daemon::PixelFormat::kBgrx8888};
  options.slot_bytes = options.geometry.frame_bytes();
  auto ring = *Ring::create(options);
  ReaderTable readers;
  std::vector<pid_t> children;
  for (size_t i = 0; i < clients; ++i) {
    auto reader = *Reader::create({});
    readers.add(reader);
    const pid_t child = fork();
    if (child == 0) read_forever(*ring, *reader);
    children.push_back(child);
  }
  Samples choose, publish, whole;
  {
    Publisher publisher(readers);
    uint64_t due = now_ns();
    for (int i = 0; i < kFrames; ++i) {
      due += kIntervalNs;
      const timespec until{static_cast<time_t>(due / 1'000'000'000), static_cast<long>(due % 1'000'000'000)};
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
      const auto list = readers.snapshot();
      const uint64_t begin = now_ns();
      const auto slot = ring->begin_write(*list, begin);
      const uint64_t chosen = now_ns();
      if (!slot) std::abort();
      const uint64_t published = time_ns([&] {
        ring->publish(*slot, CaptureInfo{}, chosen);
        publisher.notify();
      });
      choose.add(chosen - begin);
      publish.add(published);
      whole.add(chosen - begin + published);
    }
  }
  for (const pid_t child : children) kill(child, SIGKILL);
  for (const pid_t child : children) waitpid(child, nullptr, 0);
  std::printf("{\"clients\": %zu, \"choose_us\": %s, \"publish_us\": %s, \"both_us\": %s}\n", clients,
              choose.json().c_str(), publish.json().c_str(), whole.json().c_str());
  std::fflush(stdout);
}

}  // namespace

int main() {
  for (const size_t clients : {1, 8, 64, 256}) measure(clients);
}
