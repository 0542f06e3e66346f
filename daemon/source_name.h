// What can be captured, by the names that clients, command line and configuration use:
//   screen                     all of the desktop
//   monitor:NAME, monitor:N    one monitor, by its RandR name or its number, from 1
//   region:X,Y,WIDTHxHEIGHT    a rectangle of the desktop, in pixels
//   window:0xID                one window, by its X11 id
//   window:title=REGEX         the one whose title matches (see TextPattern)
//   window:class=NAME          the one whose WM_CLASS has this class or instance name
//   window:active              the one that has the focus
//   test:WIDTHxHEIGHT@FPS      a moving test picture
// and each but the last with +cursor at its end: the same with the pointer painted in. A title pattern that
// shall end in these letters puts one of them in brackets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "daemon/text_pattern.h"
#include "proto/result.h"

namespace framering::daemon {

inline constexpr std::string_view kWithCursor = "+cursor";

struct ScreenName {};
struct MonitorName {
  std::string name;     // empty: by number
  uint32_t number = 0;  // from 1
};
struct RegionName {
  int32_t x = 0;  // pixels, of the desktop; part of it may lie outside
  int32_t y = 0;
  uint32_t width = 0;  // pixels, 1 to kMaxDimension
  uint32_t height = 0;
};
struct WindowId {
  uint32_t id = 0;
};
struct WindowTitle {
  TextPattern pattern;
};
struct WindowClass {
  std::string name;
};
struct ActiveWindow {};
struct TestName {
  uint32_t width = 0;  // pixels, 1 to kMaxDimension
  uint32_t height = 0;
  double fps = 0;  // 0.01 to kMaxFps
};

class SourceName {
 public:
  using Value = std::variant<ScreenName, MonitorName, RegionName, WindowId, WindowTitle, WindowClass,
                             ActiveWindow, TestName>;

  // kInvalidArgument names the text and what is wrong with it; the hint is how such a source is written.
  static proto::Result<SourceName> parse(std::string_view text);

  // The one spelling of this source: what is captured alike is named alike. parse(text()) gives it again.
  const std::string& text() const { return text_; }
  const Value& value() const { return value_; }
  bool with_cursor() const { return text_.ends_with(kWithCursor); }

 private:
  SourceName(std::string text, Value value) : text_(std::move(text)), value_(std::move(value)) {}

  std::string text_;
  Value value_;
};

}  // namespace framering::daemon
