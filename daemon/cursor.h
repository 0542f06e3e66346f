// The pointer: where it is, what it looks like, and how it is painted into a picture.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "daemon/frame.h"
#include "proto/cursor_shapes.h"

namespace framering::daemon {

using proto::CursorPicture;

struct Cursor {
  int32_t x = 0;  // of the hot spot, in pixels of the frame; may lie outside
  int32_t y = 0;
  bool visible = false;                          // something of it shows in the frame
  std::shared_ptr<const CursorPicture> picture;  // never null; of any size
};

// The same picture at the same place.
bool looks_the_same(const Cursor& a, const Cursor& b);

// What it covers of the frame; empty where nothing of it shows.
DamageRect cursor_rect(const Cursor& cursor, const Geometry& geometry);

// Composes the picture over the frame as Render's Over does, to the last bit; where a channel has other than
// 8 bits, in 8 bits; alpha where the format has it, too. `pixels` holds geometry.frame_bytes().
void paint_cursor(const Cursor& cursor, const Geometry& geometry, std::span<std::byte> pixels);

// At most kMaxCursorSize in each direction: what is beyond is cut off, as far from the hot spot as can be.
CursorPicture cut_to_bound(const CursorPicture& picture);

}  // namespace framering::daemon
