#include "tests/support/bound_source.h"

#include <poll.h>

#include <cstring>
#include <stdexcept>
#include <utility>

#include "daemon/memory/host_pool.h"

namespace framering::testing {

using daemon::CaptureInfo;
using daemon::Geometry;
using daemon::HostPool;
using daemon::PixelFormat;
using daemon::Source;
using daemon::SourceEvents;
using daemon::Surface;

namespace {

uint32_t defined_bits(PixelFormat format) {
  switch (format) {
    case PixelFormat::kXrgb2101010:
      return 0x3fffffff;
    case PixelFormat::kRgb565:
      return 0xffff;
    case PixelFormat::kBgra8888:
      return 0xffffffff;
    default:
      return 0x00ffffff;
  }
}

uint32_t pixel_at(const Geometry& geometry, std::span<const std::byte> frame, uint32_t x, uint32_t y) {
  const size_t bytes = proto::bytes_per_pixel(geometry.format);
  uint32_t pixel = 0;
  std::memcpy(&pixel, frame.data() + size_t{y} * geometry.stride() + x * bytes, bytes);
  return pixel & defined_bits(geometry.format);
}

template <class T>
T must(proto::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  return *std::move(result);
}

}  // namespace

BoundSource::BoundSource(std::unique_ptr<Source> source, uint32_t slot_count) : source_(std::move(source)) {
  bind_new_pool(slot_count);
}

void BoundSource::bind_new_pool(uint32_t slot_count) {
  geometry_ = must(source_->geometry());
  auto pool = must(HostPool::create(geometry_, slot_count));
  must(source_->bind(geometry_, pool->surfaces()));
  must(pool->seal());
  pool_ = std::move(pool);
}

CaptureInfo BoundSource::capture(uint32_t slot, Source::Request request) const {
  return must(source_->capture(pool_->surface_of(slot), request));
}

std::span<std::byte> BoundSource::pixels(uint32_t slot) const {
  const Surface& surface = pool_->surfaces()[pool_->surface_of(slot)];
  return {surface.data, geometry_.frame_bytes()};
}

bool BoundSource::readable(int timeout_ms) const {
  pollfd fd{source_->event_fd(), POLLIN, 0};
  return ::poll(&fd, 1, timeout_ms) == 1;
}

SourceEvents BoundSource::poll() const {
  return must(source_->poll());
}

bool same_pixel(const Geometry& geometry, std::span<const std::byte> a, std::span<const std::byte> b,
                uint32_t x, uint32_t y) {
  return pixel_at(geometry, a, x, y) == pixel_at(geometry, b, x, y);
}

size_t differing_pixels(const Geometry& geometry, std::span<const std::byte> a,
                        std::span<const std::byte> b) {
  if (b.size() != geometry.frame_bytes()) throw std::runtime_error("frames of different sizes");
  size_t count = 0;
  for (uint32_t y = 0; y < geometry.height; ++y) {
    for (uint32_t x = 0; x < geometry.width; ++x) count += !same_pixel(geometry, a, b, x, y);
  }
  return count;
}

}  // namespace framering::testing
