// Changes a desktop at a known rate. Each change n fills a rectangle with the colour n; the moment before it
// was drawn is written to STAMPS[n % 65536], a file of 64-bit CLOCK_MONOTONIC nanoseconds, so that a reader
// can tell a frame's age.
//
//   bench_drawer WxH+X+Y FPS SECONDS [STAMPS]
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xcb/xcb.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "tests/bench/samples.h"

namespace {

constexpr uint32_t kStamps = 65536;

std::atomic<uint64_t>* map_stamps(const char* path) {
  const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, kStamps * sizeof(uint64_t)) != 0) return nullptr;
  void* stamps = mmap(nullptr, kStamps * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return stamps == MAP_FAILED ? nullptr : static_cast<std::atomic<uint64_t>*>(stamps);
}

}  // namespace

int main(int argc, char** argv) {
  unsigned width = 0, height = 0;
  int x = 0, y = 0;
  if (argc < 4 || std::sscanf(argv[1], "%ux%u+%d+%d", &width, &height, &x, &y) != 4) {
    std::fprintf(stderr, "usage: bench_drawer WxH+X+Y FPS SECONDS [STAMPS]\n");
    return 2;
  }
  const double fps = std::atof(argv[2]);
  const double seconds = std::atof(argv[3]);
  std::atomic<uint64_t>* stamps = argc > 4 ? map_stamps(argv[4]) : nullptr;

  xcb_connection_t* x11 = xcb_connect(nullptr, nullptr);
  if (xcb_connection_has_error(x11)) {
    std::fprintf(stderr, "bench_drawer: cannot open $DISPLAY\n");
    return 1;
  }
  const xcb_screen_t* screen = xcb_setup_roots_iterator(xcb_get_setup(x11)).data;
  const xcb_window_t window = xcb_generate_id(x11);
  const uint32_t override_redirect = 1;
  xcb_create_window(x11, XCB_COPY_FROM_PARENT, window, screen->root, static_cast<int16_t>(x),
                    static_cast<int16_t>(y), static_cast<uint16_t>(width), static_cast<uint16_t>(height), 0,
                    XCB_WINDOW_CLASS_INPUT_OUTPUT, XCB_COPY_FROM_PARENT, XCB_CW_OVERRIDE_REDIRECT,
                    &override_redirect);
  xcb_map_window(x11, window);
  const xcb_gcontext_t gc = xcb_generate_id(x11);
  xcb_create_gc(x11, gc, window, 0, nullptr);

  const uint64_t interval_ns = static_cast<uint64_t>(1e9 / fps);
  const uint64_t begin = framering::bench::now_ns();
  uint32_t n = 0;
  for (uint64_t due = begin; due < begin + static_cast<uint64_t>(seconds * 1e9); due += interval_ns) {
    const timespec until{static_cast<time_t>(due / 1'000'000'000), static_cast<long>(due % 1'000'000'000)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
    ++n;
    xcb_change_gc(x11, gc, XCB_GC_FOREGROUND, &n);
    const xcb_rectangle_t all{0, 0, static_cast<uint16_t>(width), static_cast<uint16_t>(height)};
    if (stamps) stamps[n % kStamps].store(framering::bench::now_ns());
    xcb_poly_fill_rectangle(x11, window, gc, 1, &all);
    xcb_flush(x11);
    if (xcb_connection_has_error(x11)) return 1;
  }
  std::free(xcb_get_input_focus_reply(x11, xcb_get_input_focus(x11), nullptr));
  std::printf("{\"drawn\": %u}\n", n);
  xcb_disconnect(x11);
  return 0;
}
