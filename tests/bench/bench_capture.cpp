// What a capture of $DISPLAY costs: the whole desktop changed, against a plain memcpy of the same bytes
// between the same kinds of memory; and a 256x128 change, captured and published, against a bare X round
// trip. Both sides of each ratio are timed in turn. With a CUDA device's memory a capture ends when the
// device has the frame, and what of it is the X server's own copy is told apart.
//
//   bench_capture [cuda | cuda-ipc]
#include <sys/mman.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "daemon/capture/x11_source.h"
#include "daemon/memory/cuda_pool.h"
#include "daemon/memory/host_pool.h"
#include "daemon/publisher.h"
#include "daemon/ring.h"
#include "tests/bench/drawer.h"
#include "tests/bench/samples.h"

namespace {

using namespace framering::daemon;
using framering::bench::Drawer;
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

std::unique_ptr<Pool> make_pool(std::string_view memory, const Geometry& geometry) {
  if (memory == "host") return must(HostPool::create(geometry, kSlots));
  const auto kind =
      memory == "cuda" ? framering::proto::MemoryKind::kCuda : framering::proto::MemoryKind::kCudaIpc;
  return must(create_cuda_pool(must(find_cuda_place(kind, "")), geometry, kSlots));
}

}  // namespace

int main(int argc, char** argv) {
  auto source = must(open_x11_source({}));
  const Geometry geometry = must(source->geometry());
  auto pool = make_pool(argc > 1 ? argv[1] : "host", geometry);
  must(source->bind(geometry, pool->surfaces()));
  must(pool->seal());
  auto ring =
      must(Ring::create({.geometry = geometry, .slot_count = kSlots, .slot_bytes = pool->slot_bytes()}));
  ReaderTable readers;
  Publisher publisher(readers);
  Drawer drawer(geometry.width, geometry.height);

  // The other side of the memcpy ratio: a picture in shared memory, as the X server has it, into slots like
  // ours.
  const size_t bytes = geometry.frame_bytes();
  auto copies = must(HostPool::create(geometry, kSlots));
  void* picture =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  std::memset(picture, 0x5a, bytes);

  Samples whole, by_server, copied, small, trip;
  const auto capture = [&] {
    const auto list = readers.snapshot();
    const auto slot = ring->begin_write(*list, now_ns());
    const CaptureInfo info = must(source->capture(pool->surface_of(*slot), Source::Request::kChanged));
    must(pool->commit(*slot, info.damage));
    ring->publish(*slot, info, now_ns());
    publisher.notify();
    return info;
  };
  for (uint32_t i = 0; i < 2 * kSlots; ++i) capture();  // every slot once, and once more

  for (uint32_t i = 0; i < 120; ++i) {
    drawer.fill({0, 0, static_cast<uint16_t>(geometry.width), static_cast<uint16_t>(geometry.height)});
    const uint64_t begin = now_ns();
    must(source->poll());
    const CaptureInfo info = capture();
    whole.add(now_ns() - begin);
    by_server.add(info.done_ns - info.requested_ns);
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
    const uint64_t begin = now_ns();
    must(source->poll());
    capture();
    small.add(now_ns() - begin);
    trip.add(time_ns([&] { drawer.round_trip(); }));
  }
  std::printf(
      "{\"size\": \"%ux%u\", \"full_us\": %s, \"server_us\": %s, \"memcpy_us\": %s, \"small_us\": %s, "
      "\"round_trip_us\": %s}\n",
      geometry.width, geometry.height, whole.json().c_str(), by_server.json().c_str(), copied.json().c_str(),
      small.json().c_str(), trip.json().c_str());
  return 0;
}
