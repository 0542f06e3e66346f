// What the daemon's parts tell each other about pictures: their shape, what changed, when.
#pragma once

#include <cstdint>
#include <vector>

#include "proto/limits.h"
#include "proto/pixel_format.h"
#include "proto/result.h"
#include "proto/shm_layout.h"

namespace framering::daemon {

using proto::DamageRect;
using proto::PixelFormat;

struct Geometry {
  uint32_t width = 0;   // pixels
  uint32_t height = 0;  // pixels
  PixelFormat format = PixelFormat::kBgrx8888;
  int32_t x = 0;  // of the first pixel on the desktop, in pixels
  int32_t y = 0;

  uint32_t stride() const { return proto::stride_bytes(width, format); }
  uint64_t frame_bytes() const { return uint64_t{stride()} * height; }
  friend bool operator==(const Geometry&, const Geometry&) = default;
};

// kInvalidArgument, with the range, for a size that no stream can have.
proto::Status check_geometry(const Geometry& geometry);

// The changed rectangles of a frame, at most kMaxDamageRects of them; more become their bounding box. Never
// allocates.
class Damage {
 public:
  void add(DamageRect rect);
  void set_full(const Geometry& geometry);
  void clear() { count_ = 0; }
  bool empty() const { return count_ == 0; }
  uint32_t size() const { return count_; }
  const DamageRect* begin() const { return rects_; }
  const DamageRect* end() const { return rects_ + count_; }
  DamageRect bounds() const;

 private:
  DamageRect rects_[proto::kMaxDamageRects];
  uint32_t count_ = 0;
};

// Times are CLOCK_MONOTONIC nanoseconds.
struct CaptureInfo {
  uint64_t requested_ns = 0;  // no pixel is older than this
  uint64_t done_ns = 0;
  Damage damage;  // against the capture before
};

uint64_t now_ns();

}  // namespace framering::daemon
