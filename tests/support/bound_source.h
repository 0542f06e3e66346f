// A source, bound to a sealed host pool, and what its frames are compared with. Throws what the source
// refuses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "daemon/capture/source.h"
#include "daemon/memory/pool.h"

namespace framering::testing {

class BoundSource {
 public:
  BoundSource(std::unique_ptr<daemon::Source> source, uint32_t slot_count);

  daemon::Source& source() const { return *source_; }
  const daemon::Geometry& geometry() const { return geometry_; }
  const daemon::Pool& pool() const { return *pool_; }

  void bind_new_pool(uint32_t slot_count);  // of the geometry that the source has now
  daemon::SourceEvents poll() const;
  daemon::CaptureInfo capture(uint32_t slot,
                              daemon::Source::Request request = daemon::Source::Request::kChanged) const;
  std::span<std::byte> pixels(uint32_t slot) const;
  bool readable(int timeout_ms) const;  // the event descriptor

 private:
  std::unique_ptr<daemon::Source> source_;
  daemon::Geometry geometry_;
  std::unique_ptr<daemon::Pool> pool_;
};

// Of two frames of this geometry; bits that the format leaves undefined do not count.
bool same_pixel(const daemon::Geometry& geometry, std::span<const std::byte> a, std::span<const std::byte> b,
                uint32_t x, uint32_t y);
size_t differing_pixels(const daemon::Geometry& geometry, std::span<const std::byte> a,
                        std::span<const std::byte> b);

}  // namespace framering::testing
