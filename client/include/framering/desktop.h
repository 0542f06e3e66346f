// Part of the public API: what is on the desktop that a daemon captures.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "framering/export.h"
#include "framering/stream.h"

namespace framering {

namespace internal {
class WatchCore;
}

struct MonitorInfo {
  std::string name{};    // as RandR has it
  std::string output{};  // the primary output if it shows it, else the first
  int32_t x = 0;         // pixels, on the desktop
  int32_t y = 0;
  uint32_t width = 0;  // pixels
  uint32_t height = 0;
  bool primary = false;
  uint32_t order = 0;     // among all, as the X server tells them, from 0
  double refresh_hz = 0;  // 0: not told
  double scale = 1;       // how large programs are asked to draw (Xft.dpi of the X resources / 96)
  uint32_t width_mm = 0;  // 0: not told
  uint32_t height_mm = 0;
  std::string make{};  // by its EDID: three letters; empty: not told
  std::string model{};
  std::vector<std::byte> edid{};  // its base block: 128 bytes, or none

  FRAMERING_API std::string source() const;  // for OpenOptions: "monitor:HDMI-1"
  friend bool operator==(const MonitorInfo&, const MonitorInfo&) = default;
};

// Texts are what the window's program says: UTF-8 without control characters, at most 256 bytes.
struct WindowInfo {
  uint32_t id = 0;
  std::string title{};
  std::string class_name{};
  std::string instance{};
  uint32_t pid = 0;  // 0: not told
  int32_t x = 0;     // pixels, on the desktop
  int32_t y = 0;
  uint32_t width = 0;  // pixels, without border and decoration
  uint32_t height = 0;
  bool mapped = false;
  bool minimised = false;
  bool active = false;     // has the focus
  int32_t workspace = -1;  // from 0; -1: on all of them, or not told

  FRAMERING_API std::string source() const;  // for OpenOptions: "window:0x1a00007"
  friend bool operator==(const WindowInfo&, const WindowInfo&) = default;
};

struct Desktop {
  std::string display{};
  uint32_t width = 0;  // pixels
  uint32_t height = 0;
  std::vector<MonitorInfo> monitors{};  // monitor:1, monitor:2 ...: the primary one, then from left to right
  std::vector<WindowInfo> windows{};    // the topmost first, 128 at most
  uint32_t window_count = 0;            // with those that found no room
  // Why there are none, where the policy or the X server does not tell of them; empty otherwise.
  std::string monitors_withheld{};
  std::string windows_withheld{};

  friend bool operator==(const Desktop&, const Desktop&) = default;
};

// Tells of changes of the desktop. Any thread, one at a time. It may outlive the Connection object.
class FRAMERING_API DesktopWatch {
 public:
  explicit DesktopWatch(std::unique_ptr<internal::WatchCore> core) noexcept;
  DesktopWatch(DesktopWatch&&) noexcept;
  DesktopWatch& operator=(DesktopWatch&&) noexcept;
  ~DesktopWatch();

  // The desktop: at once the first time, then after it, or what list() tells of the streams that run and who
  // reads them, has changed; what happened meanwhile is one change. Nothing after `timeout`, or when
  // `on_signal`, called as by Stream::next(), returns false. Throws disconnected (also where a later watch of
  // the same connection took its place), forked, and unavailable while there is no desktop: the next call
  // waits until that changes.
  std::optional<Desktop> next(std::chrono::nanoseconds timeout = forever,
                              const std::function<bool()>& on_signal = {});

  // For event loops: readable when next() will not wait.
  int fd() const noexcept;

 private:
  std::unique_ptr<internal::WatchCore> core_;
};

}  // namespace framering
