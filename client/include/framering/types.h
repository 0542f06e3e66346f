// Part of the public API.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "framering/export.h"

namespace framering {

// Named by the order of the bytes in memory; packed formats by their little-endian word.
enum class PixelFormat : uint32_t {
  bgrx8888 = 1,     // bytes B, G, R, undefined
  rgbx8888 = 2,     // bytes R, G, B, undefined
  xrgb2101010 = 3,  // 32-bit word: x:2 R:10 G:10 B:10
  rgb565 = 4,       // 16-bit word: R:5 G:6 B:5
  bgra8888 = 5,     // bytes B, G, R, A; the colours are premultiplied by alpha
};
FRAMERING_API std::string_view name(PixelFormat format) noexcept;  // "BGRX8888"
FRAMERING_API uint32_t bytes_per_pixel(PixelFormat format) noexcept;

enum class Memory : uint8_t { automatic = 0, host = 1, cuda = 2, cuda_ipc = 3 };
FRAMERING_API std::string_view name(Memory memory) noexcept;  // "auto", "host", "cuda", "cuda-ipc"

enum class Mode {
  latest,  // newest wins: next() skips what was published meanwhile
  every,   // in order; what the ring has already overwritten is counted in Stream::missed()
};

// What becomes of the pointer.
enum class CursorMode : uint8_t {
  hidden = 0,    // frames are without it
  metadata = 1,  // frames are without it, Frame::cursor() tells of it, and next() returns when it moves
  embedded = 2,  // it is painted into the frames
};
FRAMERING_API std::string_view name(CursorMode mode) noexcept;  // "hidden", "metadata", "embedded"

// Pixels, origin top left.
struct Point {
  int32_t x = 0, y = 0;
  friend bool operator==(const Point&, const Point&) = default;
};
struct Rect {
  uint16_t x = 0, y = 0, width = 0, height = 0;
  friend bool operator==(const Rect&, const Rect&) = default;
};

// A picture of the pointer.
struct CursorShape {
  uint32_t serial = 0;  // the same for the same picture, within an epoch
  uint32_t width = 0;   // pixels, at most 128: what is beyond is cut off, as far from the hot spot as can be
  uint32_t height = 0;
  int32_t hot_x = 0;  // the pixel of it that points
  int32_t hot_y = 0;
  std::vector<uint32_t> argb{};  // 0xAARRGGBB, premultiplied with alpha; width * height, row by row
};

struct Cursor {
  int32_t x = 0;  // of the hot spot, in pixels of the frame; may lie outside
  int32_t y = 0;
  bool visible = false;  // something of it shows in the frame
  // Null where it changed so often meanwhile that the daemon no longer has this one.
  std::shared_ptr<const CursorShape> shape{};
};

// Why nobody sees or uses the desktop now; several may hold. Locked or away, it has no frames.
struct DesktopState {
  bool blanked = false;  // its screens are dark: screen saver, DPMS
  bool locked = false;   // a password is asked for
  bool away = false;     // the seat shows another session, or whether it does is not known yet
  friend bool operator==(const DesktopState&, const DesktopState&) = default;
};

struct ClientInfo {
  uint32_t pid = 0;
  uint32_t uid = 0;
  std::string name;
  uint32_t leases_held = 0;
  uint64_t drops_caused = 0;   // frames that found no slot while this client held one
  uint64_t leases_broken = 0;  // taken back after the guarantee
  uint64_t confirmations_asked = 0;
};

struct StreamInfo {
  std::string source;  // what OpenOptions::source names
  bool available = false;
  std::string reason;  // why not, if not available
  uint64_t epoch = 0;
  uint32_t width = 0;   // pixels
  uint32_t height = 0;  // pixels
  PixelFormat format = PixelFormat::bgrx8888;
  Memory memory = Memory::host;
  uint32_t slot_count = 0;
  double max_fps = 0;
  uint64_t captures = 0;  // how often the source was asked for pixels
  uint64_t published = 0;
  uint64_t dropped = 0;  // changes that found no free slot in time
  uint32_t client_count = 0;
  std::vector<ClientInfo> clients;  // the first 256 of all streams
};

struct OpenOptions {
  std::string source = "screen";
  Memory memory = Memory::automatic;
  Mode mode = Mode::latest;
  // Frames held at the same time, 1 to 16, and no more than the stream's slots less 3, or 2. What all streams
  // of one process hold of a source beyond that is not guaranteed when the daemon has no other slot.
  uint32_t max_leases = 2;
  double max_fps = 0;    // frames a second that next() returns at most; 0 = as the stream
  bool wake_fd = false;  // with the descriptor for event loops at once: Stream::wake_fd()
  // The CUDA device that the frames must be on: its number in this process or its UUID ("GPU-..."); empty:
  // any.
  std::string device{};
  // Maps device memory writable, for consumers that refuse read-only memory; cuda-ipc always is. The caller
  // promises not to write: every client would see it.
  bool writable = false;
  // Embedded frames are another stream than plain ones: SOURCE+cursor in lists.
  CursorMode cursor = CursorMode::hidden;
};

}  // namespace framering
