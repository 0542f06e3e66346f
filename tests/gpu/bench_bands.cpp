// A 4K desktop that changed whole, from the X server at $DISPLAY to a CUDA device in one part, or in several
// so that the device gets one part while the server copies the next. The kinds are timed in turn.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xcb/shm.h>
#include <xcb/xcb.h>

#include <cstdio>
#include <cstdlib>
#include <map>

#include "proto/cuda_driver.h"
#include "tests/bench/drawer.h"
#include "tests/bench/samples.h"

namespace {

using framering::bench::Drawer;
using framering::bench::now_ns;
using framering::bench::Samples;
using framering::proto::CudaContext;
using framering::proto::CudaCurrent;
using framering::proto::CudaDriver;

constexpr int kRounds = 60;
constexpr uint32_t kBands[] = {1, 2, 3, 4, 6};

template <class T>
T must(framering::proto::Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "bench_bands: %s\n", result.error().text().c_str());
    std::exit(1);
  }
  return *std::move(result);
}

// The screen in host memory, written by the X server.
class Mirror {
 public:
  Mirror() : x11_(xcb_connect(nullptr, nullptr)) {
    if (xcb_connection_has_error(x11_)) {
      std::fprintf(stderr, "bench_bands: cannot open $DISPLAY\n");
      std::exit(1);
    }
    const xcb_screen_t* screen = xcb_setup_roots_iterator(xcb_get_setup(x11_)).data;
    root_ = screen->root;
    width_ = screen->width_in_pixels;
    height_ = screen->height_in_pixels;
    const int fd = memfd_create("bench_bands", MFD_CLOEXEC);
    if (ftruncate(fd, static_cast<off_t>(bytes())) != 0) std::abort();
    void* data = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (data == MAP_FAILED) std::abort();
    data_ = static_cast<std::byte*>(data);
    const xcb_shm_seg_t segment = xcb_generate_id(x11_);
    xcb_shm_attach_fd(x11_, segment, fd, 0);
    pixmap_ = xcb_generate_id(x11_);
    xcb_shm_create_pixmap(x11_, pixmap_, root_, width_, height_, screen->root_depth, segment, 0);
    gc_ = xcb_generate_id(x11_);
    const uint32_t values[] = {XCB_SUBWINDOW_MODE_INCLUDE_INFERIORS, 0};
    xcb_create_gc(x11_, gc_, root_, XCB_GC_SUBWINDOW_MODE | XCB_GC_GRAPHICS_EXPOSURES, values);
  }
  ~Mirror() { xcb_disconnect(x11_); }
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;

  uint16_t width() const { return width_; }
  uint16_t height() const { return height_; }
  size_t row_bytes() const { return size_t{width_} * 4; }
  size_t bytes() const { return row_bytes() * height_; }
  std::byte* data() const { return data_; }

  // Returns once the rows are complete.
  void copy_rows(uint32_t first, uint32_t count) {
    const auto y = static_cast<int16_t>(first);
    xcb_copy_area(x11_, root_, pixmap_, gc_, 0, y, 0, y, width_, static_cast<uint16_t>(count));
    std::free(xcb_get_input_focus_reply(x11_, xcb_get_input_focus(x11_), nullptr));
  }

 private:
  xcb_connection_t* x11_;
  xcb_window_t root_ = 0;
  xcb_pixmap_t pixmap_ = 0;
  xcb_gcontext_t gc_ = 0;
  uint16_t width_ = 0, height_ = 0;
  std::byte* data_ = nullptr;
};

}  // namespace

int main() {
  const CudaDriver& driver = *must(CudaDriver::load());
  const CudaContext context = must(CudaContext::retain(driver, 0));
  const CudaCurrent current(driver, context.get());
  Mirror mirror;
  Drawer drawer(mirror.width(), mirror.height());
  must(driver.cuMemHostRegister(mirror.data(), mirror.bytes(), CU_MEMHOSTREGISTER_DEVICEMAP));
  CUstream stream = nullptr;
  must(driver.cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  CUdeviceptr slot = 0;
  must(driver.cuMemAlloc(&slot, mirror.bytes()));

  std::map<uint32_t, Samples> times;
  for (int round = -3; round < kRounds; ++round) {  // the first ones touch the pages
    for (const uint32_t bands : kBands) {
      drawer.fill({0, 0, mirror.width(), mirror.height()});
      const uint64_t begin = now_ns();
      for (uint32_t i = 0; i < bands; ++i) {
        const uint32_t first = mirror.height() * i / bands, last = mirror.height() * (i + 1) / bands;
        const size_t offset = first * mirror.row_bytes();
        mirror.copy_rows(first, last - first);
        must(driver.cuMemcpyHtoDAsync(slot + offset, mirror.data() + offset,
                                      (last - first) * mirror.row_bytes(), stream));
      }
      must(driver.cuStreamSynchronize(stream));
      if (round >= 0) times[bands].add(now_ns() - begin);
    }
  }
  const char* separator = "{";
  for (const uint32_t bands : kBands) {
    std::printf("%s\"%u\": %s", separator, bands, times[bands].json().c_str());
    separator = ", ";
  }
  std::printf("}\n");
  return 0;
}
