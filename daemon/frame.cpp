#include "daemon/frame.h"

#include <time.h>

#include <algorithm>

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::kMaxDamageRects;
using proto::kMaxDimension;

proto::Status check_geometry(const Geometry& geometry) {
  const auto out_of_range = [](uint32_t pixels) { return pixels < 1 || pixels > kMaxDimension; };
  if (out_of_range(geometry.width) || out_of_range(geometry.height)) {
    return Error{ErrorCode::kInvalidArgument,
                 "size " + std::to_string(geometry.width) + "x" + std::to_string(geometry.height) +
                     " is out of range: width and height are 1 to " + std::to_string(kMaxDimension) +
                     " pixels",
                 {}};
  }
  if (!proto::is_known(geometry.format))
    return Error{ErrorCode::kInvalidArgument, "unknown pixel format", {}};
  return proto::Ok{};
}

void Damage::add(DamageRect rect) {
  if (rect.width == 0 || rect.height == 0) return;
  if (count_ < kMaxDamageRects) {
    rects_[count_++] = rect;
    return;
  }
  const DamageRect all = bounds();
  const int right = std::max(all.x + all.width, rect.x + rect.width);
  const int bottom = std::max(all.y + all.height, rect.y + rect.height);
  const uint16_t x = std::min(all.x, rect.x);
  const uint16_t y = std::min(all.y, rect.y);
  rects_[0] = {x, y, static_cast<uint16_t>(right - x), static_cast<uint16_t>(bottom - y)};
  count_ = 1;
}

void Damage::set_full(const Geometry& geometry) {
  rects_[0] = {0, 0, static_cast<uint16_t>(geometry.width), static_cast<uint16_t>(geometry.height)};
  count_ = 1;
}

DamageRect Damage::bounds() const {
  if (count_ == 0) return {};
  int left = kMaxDimension, top = kMaxDimension, right = 0, bottom = 0;
  for (const DamageRect& rect : *this) {
    left = std::min<int>(left, rect.x);
    top = std::min<int>(top, rect.y);
    right = std::max(right, rect.x + rect.width);
    bottom = std::max(bottom, rect.y + rect.height);
  }
  return {static_cast<uint16_t>(left), static_cast<uint16_t>(top), static_cast<uint16_t>(right - left),
          static_cast<uint16_t>(bottom - top)};
}

uint64_t now_ns() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace framering::daemon
