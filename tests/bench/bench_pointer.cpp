// Moves the pointer of $DISPLAY in a circle, so many times a second.
//
//   bench_pointer RATE SECONDS
#include <time.h>
#include <xcb/xcb.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "tests/bench/samples.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: bench_pointer RATE SECONDS\n");
    return 2;
  }
  const auto interval_ns = static_cast<uint64_t>(1e9 / std::atof(argv[1]));
  const auto span_ns = static_cast<uint64_t>(std::atof(argv[2]) * 1e9);
  xcb_connection_t* x11 = xcb_connect(nullptr, nullptr);
  if (xcb_connection_has_error(x11)) {
    std::fprintf(stderr, "bench_pointer: cannot open $DISPLAY\n");
    return 1;
  }
  const xcb_screen_t* screen = xcb_setup_roots_iterator(xcb_get_setup(x11)).data;
  const double x = screen->width_in_pixels / 2.0, y = screen->height_in_pixels / 2.0;
  const uint64_t begin = framering::bench::now_ns();
  unsigned n = 0;
  for (uint64_t due = begin; due < begin + span_ns; due += interval_ns, ++n) {
    const timespec until{static_cast<time_t>(due / 1'000'000'000), static_cast<long>(due % 1'000'000'000)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
    xcb_warp_pointer(x11, XCB_NONE, screen->root, 0, 0, 0, 0,
                     static_cast<int16_t>(x + y / 2 * std::cos(n / 20.0)),
                     static_cast<int16_t>(y + y / 2 * std::sin(n / 20.0)));
    xcb_flush(x11);
  }
  std::printf("{\"moved\": %u}\n", n);
  xcb_disconnect(x11);
  return 0;
}
