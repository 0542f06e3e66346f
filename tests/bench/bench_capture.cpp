// What a capture of $DISPLAY costs: the whole desktop changed, against a plain memcpy of the same bytes
// between the same kinds of memory; and a 256x128 change, captured and published, against a bare X round
// trip. Both sides of each ratio are timed in turn.
#include <sys/mman.h>
#include <xcb/xcb.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "daemon/capture/x11_source.h"
#include "daemon/memory/host_pool.h"
#include "daemon/publisher.h"
#include "daemon/ring.h"
#include "tests/bench/samples.h"

namespace {

using namespace framering::daemon;
using framering::bench::Samples;
using framering::bench::time_ns;

constexpr uint32_t kSlots = 6;

template <class T>
T must(framering::proto::Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "bench_capture: %s\n", result.error().text().c_str());
    std::exit(1);
  }
  return *std::move(result);
}

class Drawer {
 public:
  explicit Drawer(const Geometry& geometry) : x11_(xcb_connect(nullptr, nullptr)) {
    const xcb_screen_t* screen = xcb_setup_roots_iterator(xcb_get_setup(x11_)).data;
    window_ = xcb_generate_id(x11_);
    const uint32_t override_redirect = 1;
    xcb_create_window(x11_, XCB_COPY_FROM_PARENT, window_, screen->root, 0, 0,
                      static_cast<uint16_t>(geometry.width), static_cast<uint16_t>(geometry.height), 0,
                      XCB_WINDOW_CLASS_INPUT_OUTPUT, XCB_COPY_FROM_PARENT, XCB_CW_OVERRIDE_REDIRECT,
                      &override_redirect);
    xcb_map_window(x11_, window_);
    gc_ = xcb_generate_id(x11_);
    xcb_create_gc(x11_, gc_, window_, 0, nullptr);
    round_trip();
  }
  ~Drawer() { xcb_disconnect(x11_); }

  void fill(xcb_rectangle_t rectangle) {
    color_ += 0x10305;
    xcb_change_gc(x11_, gc_, XCB_GC_FOREGROUND, &color_);
    xcb_poly_fill_rectangle(x11_, window_, gc_, 1, &rectangle);
    round_trip();
  }
  void round_trip() { std::free(xcb_get_input_focus_reply(x11_, xcb_get_input_focus(x11_), nullptr)); }

 private:
  xcb_connection_t* x11_;
  xcb_window_t window_ = 0;
  xcb_gcontext_t gc_ = 0;
  uint32_t color_ = 0;
};

}  // namespace

int main() {
  auto source = must(open_x11_source({}));
  const Geometry geometry = must(source->geometry());
  auto pool = must(HostPool::create(geometry, kSlots));
  must(source->bind(geometry, pool->surfaces()));
  must(pool->seal());
  auto ring =
      must(Ring::create({.geometry = geometry, .slot_count = kSlots, .slot_bytes = pool->slot_bytes()}));
  ReaderTable readers;
  Publisher publisher(readers);
  Drawer drawer(geometry);

  // The other side of the memcpy ratio: a picture in shared memory, as the X server has it, into slots like
  // ours.
  const size_t bytes = geometry.frame_bytes();
  auto copies = must(HostPool::create(geometry, kSlots));
  void* picture =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  std::memset(picture, 0x5a, bytes);

  Samples whole, copied, small, trip;
  const auto capture = [&] {
    const auto list = readers.snapshot();
    const auto slot = ring->begin_write(*list, now_ns());
    const CaptureInfo info = must(source->capture(pool->surface_of(*slot), Source::Request::kChanged));
    ring->publish(*slot, info, now_ns());
    publisher.notify();
    return info;
  };
  for (uint32_t i = 0; i < 2 * kSlots; ++i) capture();  // every slot once, and once more

  for (uint32_t i = 0; i < 120; ++i) {
    drawer.fill({0, 0, static_cast<uint16_t>(geometry.width), static_cast<uint16_t>(geometry.height)});
    must(source->poll());
    const uint64_t begin = now_ns();
    capture();
    whole.add(now_ns() - begin);
    std::byte* slot = copies->surfaces()[i % kSlots].data;
    copied.add(time_ns([&] { std::memcpy(slot, picture, bytes); }));
  }
  // The slots catch up with the full changes, so that what follows copies the small ones alone.
  for (uint32_t i = 0; i < kSlots; ++i) {
    drawer.fill({0, 0, 8, 8});
    capture();
  }
  for (int i = 0; i < 600; ++i) {
    drawer.fill({static_cast<int16_t>(16 * (i % 100)), static_cast<int16_t>(8 * (i % 100)), 256, 128});
    must(source->poll());
    const uint64_t begin = now_ns();
    capture();
    small.add(now_ns() - begin);
    trip.add(time_ns([&] { drawer.round_trip(); }));
  }
  std::printf(
      "{\"size\": \"%ux%u\", \"full_us\": %s, \"memcpy_us\": %s, \"small_us\": %s, \"round_trip_us\": %s}\n",
      geometry.width, geometry.height, whole.json().c_str(), copied.json().c_str(), small.json().c_str(),
      trip.json().c_str());
  return 0;
}
