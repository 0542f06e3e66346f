// How far apart the captures of a stream are, and how often it tells of the pointer alone.
//
//   bench_intervals SOURCE SECONDS [--cursor]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "framering/framering.h"
#include "tests/bench/samples.h"

int main(int argc, char** argv) {
  using namespace framering;
  if (argc < 3) {
    std::fprintf(stderr, "usage: bench_intervals SOURCE SECONDS [--cursor]\n");
    return 2;
  }
  const bool cursor = argc > 3 && std::strcmp(argv[3], "--cursor") == 0;
  try {
    Connection connection = Connection::connect();
    Stream stream = connection.open({.source = argv[1],
                                     .mode = Mode::every,
                                     .cursor = cursor ? CursorMode::metadata : CursorMode::hidden});
    auto frame = stream.next(std::chrono::seconds(10));
    std::printf("ready\n");
    std::fflush(stdout);
    bench::Samples intervals;
    uint64_t moves = 0;
    const uint64_t end = bench::now_ns() + static_cast<uint64_t>(std::atof(argv[2]) * 1e9);
    while (frame && bench::now_ns() < end) {
      const uint64_t sequence = frame->sequence(), capture_ns = frame->capture_ns();
      frame.reset();
      frame = stream.next(std::chrono::milliseconds(500));
      if (!frame) {
        frame = stream.latest();
        continue;
      }
      moves += frame->sequence() == sequence;
      if (frame->sequence() == sequence + 1) intervals.add(frame->capture_ns() - capture_ns);
    }
    std::printf("{\"intervals\": %zu, \"moves\": %llu, \"interval_us\": %s}\n", intervals.size(),
                static_cast<unsigned long long>(moves), intervals.json().c_str());
    return 0;
  } catch (const Error& error) {
    std::fprintf(stderr, "bench_intervals: %s (%s)\n", error.what(), error.hint().c_str());
    return 1;
  }
}
