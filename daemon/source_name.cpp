#include "daemon/source_name.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>

#include "proto/limits.h"
#include "proto/text.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::kMaxDimension;
using proto::Result;

namespace {

constexpr double kMinFps = 0.01;
constexpr uint32_t kMaxMonitorNumber = 999;
constexpr int32_t kFarthest = 32767;  // X11 coordinates are signed 16-bit

constexpr const char* kHint =
    "there are: screen, monitor:NAME, monitor:N, region:X,Y,WIDTHxHEIGHT, window:0xID, window:title=REGEX, "
    "window:class=NAME, window:active, test:WIDTHxHEIGHT@FPS";
constexpr const char* kMonitorHint = "write monitor:NAME or monitor:N, such as monitor:HDMI-1 or monitor:1";
constexpr const char* kRegionHint = "write region:X,Y,WIDTHxHEIGHT, such as region:0,0,640x480";
constexpr const char* kWindowHint =
    "write window:0xID, window:title=REGEX, window:class=NAME or window:active, such as window:0x1a00007 or "
    "window:title=Firefox";
constexpr const char* kTestHint = "write test:WIDTHxHEIGHT@FPS, such as test:1920x1080@60";

// What is wrong, and how it is written.
struct Wrong {
  std::string why;
  const char* hint;
};
// The value and its one spelling.
struct Named {
  SourceName::Value value;
  std::string text;
};
using Parsed = std::variant<Named, Wrong>;

// Takes a number and the separator behind it off the front of `text`; an empty separator is the end.
template <class T>
bool take(std::string_view& text, T& value, std::string_view separator) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  if (separator.empty()) return text.empty();
  if (!text.starts_with(separator)) return false;
  text.remove_prefix(separator.size());
  return true;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// The shortest text that gives the value again.
template <class T, class... Base>
std::string written(T value, Base... base) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value, base...).ptr};
}

// Empty if a stream can have this size.
std::string wrong_size(uint32_t width, uint32_t height) {
  const auto out_of_range = [](uint32_t pixels) { return pixels < 1 || pixels > kMaxDimension; };
  if (!out_of_range(width) && !out_of_range(height)) return {};
  return "size " + written(width) + "x" + written(height) + " is out of range: width and height are 1 to " +
         written(kMaxDimension) + " pixels";
}

Parsed parse_monitor(std::string_view text) {
  const bool is_number = std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  if (text.empty()) return Wrong{"this names no monitor", kMonitorHint};
  if (!is_number) return Named{MonitorName{std::string(text)}, "monitor:" + std::string(text)};
  uint32_t number = 0;
  if (!take(text, number, "") || number < 1 || number > kMaxMonitorNumber) {
    return Wrong{"monitors count from 1", kMonitorHint};
  }
  return Named{MonitorName{{}, number}, "monitor:" + written(number)};
}

Parsed parse_region(std::string_view text) {
  RegionName region;
  if (!take(text, region.x, ",") || !take(text, region.y, ",") || !take(text, region.width, "x") ||
      !take(text, region.height, "")) {
    return Wrong{"this is no place and size", kRegionHint};
  }
  if (std::string wrong = wrong_size(region.width, region.height); !wrong.empty()) {
    return Wrong{std::move(wrong), kRegionHint};
  }
  if (std::max(std::abs(int64_t{region.x}), std::abs(int64_t{region.y})) > kFarthest) {
    return Wrong{"no desktop reaches there: x and y are -32767 to 32767", kRegionHint};
  }
  return Named{region, "region:" + written(region.x) + "," + written(region.y) + "," + written(region.width) +
                           "x" + written(region.height)};
}

Parsed parse_window(std::string_view text) {
  if (text == "active") return Named{ActiveWindow{}, "window:active"};
  if (take_prefix(text, "title=")) {
    if (text.empty()) return Wrong{"the title's pattern is empty", kWindowHint};
    auto pattern = TextPattern::compile(std::string(text));
    if (!pattern) return Wrong{"the title's pattern is none: " + pattern.error().message, kWindowHint};
    return Named{WindowTitle{*std::move(pattern)}, "window:title=" + std::string(text)};
  }
  if (take_prefix(text, "class=")) {
    if (text.empty()) return Wrong{"the class's name is empty", kWindowHint};
    return Named{WindowClass{std::string(text)}, "window:class=" + std::string(text)};
  }
  uint32_t id = 0;
  const bool is_hex = take_prefix(text, "0x") || take_prefix(text, "0X");
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id, 16);
  if (!is_hex || error != std::errc{} || end != text.data() + text.size() || id == 0) {
    return Wrong{"this names no window", kWindowHint};
  }
  return Named{WindowId{id}, "window:0x" + written(id, 16)};
}

Parsed parse_test(std::string_view text) {
  TestName test;
  if (!take(text, test.width, "x") || !take(text, test.height, "@") || !take(text, test.fps, "")) {
    return Wrong{"this is no size and rate", kTestHint};
  }
  if (std::string wrong = wrong_size(test.width, test.height); !wrong.empty()) {
    return Wrong{std::move(wrong), kTestHint};
  }
  if (!(test.fps >= kMinFps && test.fps <= proto::kMaxFps)) {
    return Wrong{"the rate is 0.01 to " + std::to_string(std::lround(proto::kMaxFps)) + " frames a second",
                 kTestHint};
  }
  return Named{test, "test:" + written(test.width) + "x" + written(test.height) + "@" + written(test.fps)};
}

Parsed parse_kind(std::string_view text) {
  if (text == "screen") return Named{ScreenName{}, "screen"};
  if (take_prefix(text, "monitor:")) return parse_monitor(text);
  if (take_prefix(text, "region:")) return parse_region(text);
  if (take_prefix(text, "window:")) return parse_window(text);
  if (take_prefix(text, "test:")) return parse_test(text);
  return Wrong{"there is no such kind of source", kHint};
}

}  // namespace

Result<SourceName> SourceName::parse(std::string_view text) {
  const auto refused = [&](const std::string& why, const char* hint) {
    return Error{ErrorCode::kInvalidArgument,
                 "source \"" + proto::as_text(text, proto::kMaxSourceName) + "\": " + why, hint};
  };
  if (text.size() > proto::kMaxSourceName) return refused("it is longer than 256 bytes", kHint);
  if (!proto::is_text(text)) return refused("it is not printable text", kHint);
  const bool with_cursor = text.ends_with(kWithCursor);
  Parsed parsed = parse_kind(text.substr(0, text.size() - (with_cursor ? kWithCursor.size() : 0)));
  if (const auto* wrong = std::get_if<Wrong>(&parsed)) return refused(wrong->why, wrong->hint);
  auto& named = std::get<Named>(parsed);
  if (with_cursor && std::holds_alternative<TestName>(named.value)) {
    return refused("a test picture has no pointer", kTestHint);
  }
  if (with_cursor) named.text += kWithCursor;
  return SourceName(std::move(named.text), std::move(named.value));
}

}  // namespace framering::daemon
