// A client that takes every frame it is woken for. Prints what it saw, and with STAMPS (of bench_drawer,
// drawing at X,Y) how old the pixels were when they became readable here, step by step.
//
//   bench_reader SOURCE SECONDS [STAMPS X Y]
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "framering/framering.h"
#include "tests/bench/samples.h"

namespace {

constexpr uint32_t kStamps = 65536;

const uint64_t* map_stamps(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return nullptr;
  void* stamps = mmap(nullptr, kStamps * sizeof(uint64_t), PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  return stamps == MAP_FAILED ? nullptr : static_cast<const uint64_t*>(stamps);
}

int run(int argc, char** argv) {
  using framering::bench::now_ns;
  using framering::bench::Samples;
  framering::OpenOptions options;
  options.source = argv[1];
  const uint64_t end = now_ns() + static_cast<uint64_t>(std::atof(argv[2]) * 1e9);
  const uint64_t* stamps = argc > 5 ? map_stamps(argv[3]) : nullptr;
  const size_t x = argc > 5 ? static_cast<size_t>(std::atoi(argv[4])) : 0;
  const size_t y = argc > 5 ? static_cast<size_t>(std::atoi(argv[5])) : 0;

  framering::Connection connection = framering::Connection::connect({}, "bench_reader");
  framering::Stream stream = connection.open(options);
  std::printf("ready\n");
  std::fflush(stdout);

  Samples age, to_request, capture, publish, deliver;
  uint64_t frames = 0;
  uint32_t seen = 0;
  for (uint64_t now = now_ns(); now < end; now = now_ns()) {
    const auto frame = stream.next(std::chrono::nanoseconds(end - now));
    if (!frame) break;
    ++frames;
    if (!stamps) continue;
    uint32_t pixel;
    std::memcpy(&pixel, frame->data() + y * frame->stride() + x * 4, 4);
    const uint64_t readable = now_ns();
    const uint32_t n = pixel & 0xffffff;
    const uint64_t drawn = stamps[n % kStamps];
    // Another frame may show the same change; only the first one tells its age.
    if (n <= seen || drawn == 0 || drawn > frame->capture_done_ns()) continue;
    seen = n;
    age.add(readable - drawn);
    to_request.add(frame->capture_ns() > drawn ? frame->capture_ns() - drawn : 0);
    capture.add(frame->capture_done_ns() - frame->capture_ns());
    publish.add(frame->published_ns() - frame->capture_done_ns());
    deliver.add(readable - frame->published_ns());
  }
  std::printf(
      "{\"frames\": %llu, \"missed\": %llu, \"samples\": %zu, \"age_us\": %s, \"draw_to_request_us\": %s, "
      "\"capture_us\": %s, \"publish_us\": %s, \"deliver_us\": %s}\n",
      static_cast<unsigned long long>(frames), static_cast<unsigned long long>(stream.missed()), age.size(),
      age.json().c_str(), to_request.json().c_str(), capture.json().c_str(), publish.json().c_str(),
      deliver.json().c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 6) {
    std::fprintf(stderr, "usage: bench_reader SOURCE SECONDS [STAMPS X Y]\n");
    return 2;
  }
  try {
    return run(argc, argv);
  } catch (const framering::Error& error) {
    std::fprintf(stderr, "bench_reader: %s\n", error.what());
    return 1;
  }
}
