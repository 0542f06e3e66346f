// How long after its publication next() returns a frame in a C++ client, asleep until then or, with SPIN_US,
// watching.
//
//   bench_wake SOURCE SECONDS SPIN_US
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "framering/framering.h"
#include "tests/bench/samples.h"

int main(int argc, char** argv) {
  using framering::bench::now_ns;
  if (argc != 4) {
    std::fprintf(stderr, "usage: bench_wake SOURCE SECONDS SPIN_US\n");
    return 2;
  }
  const auto duration_ns = static_cast<uint64_t>(std::atof(argv[2]) * 1e9);
  const std::chrono::microseconds spin(std::atoi(argv[3]));
  try {
    framering::Connection connection = framering::Connection::connect({}, "bench_wake");
    framering::Stream stream = connection.open({.source = argv[1]});
    stream.next();
    framering::bench::Samples delays;
    for (const uint64_t end_ns = now_ns() + duration_ns; now_ns() < end_ns;) {
      const auto frame = stream.next(framering::forever, {}, spin);
      delays.add(now_ns() - frame->published_ns());
    }
    std::printf("{\"wake_us\": %s}\n", delays.json().c_str());
  } catch (const framering::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
