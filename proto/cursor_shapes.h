// The pointer's last shapes, in the control page: each is written once, and found by its serial.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "proto/lease.h"
#include "proto/shm_layout.h"

namespace framering::proto {

// A shape outside of shared memory.
struct CursorPicture {
  uint32_t serial = 0;
  uint32_t width = 0;   // pixels
  uint32_t height = 0;  // pixels
  int32_t hot_x = 0;
  int32_t hot_y = 0;
  std::vector<uint32_t> argb{};  // premultiplied, width * height
};

// Daemon. `to` is the entry with the oldest shape; the picture is at most kMaxCursorSize in each direction.
inline void write_shape(CursorShape& to, const CursorPicture& picture) {
  constexpr auto relaxed = std::memory_order_relaxed;
  to.serial.store(0, relaxed);
  fence(std::memory_order_release);  // nothing of the new shape rises above the mark
  to.width.store(picture.width, relaxed);
  to.height.store(picture.height, relaxed);
  to.hot_x.store(picture.hot_x, relaxed);
  to.hot_y.store(picture.hot_y, relaxed);
  for (size_t i = 0; i < picture.argb.size(); ++i) to.argb[i].store(picture.argb[i], relaxed);
  to.serial.store(picture.serial, std::memory_order_release);
}

// Reader. Nothing where newer shapes have taken its place.
inline std::optional<CursorPicture> read_shape(std::span<const CursorShape> shapes, uint32_t serial) {
  constexpr auto relaxed = std::memory_order_relaxed;
  for (const CursorShape& shape : shapes) {
    if (serial == 0 || shape.serial.load(std::memory_order_acquire) != serial) continue;
    CursorPicture picture{serial, shape.width.load(relaxed), shape.height.load(relaxed),
                          shape.hot_x.load(relaxed), shape.hot_y.load(relaxed)};
    if (picture.width > kMaxCursorSize || picture.height > kMaxCursorSize) return std::nullopt;
    picture.argb.resize(size_t{picture.width} * picture.height);
    for (size_t i = 0; i < picture.argb.size(); ++i) picture.argb[i] = shape.argb[i].load(relaxed);
    fence(std::memory_order_acquire);
    if (shape.serial.load(relaxed) == serial) return picture;
  }
  return std::nullopt;
}

}  // namespace framering::proto
