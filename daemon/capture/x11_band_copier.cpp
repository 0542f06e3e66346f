#include <xcb/shm.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "daemon/capture/x11_copier.h"
#include "daemon/capture/x11_segment.h"

namespace framering::daemon {

using proto::Ok;
using proto::Result;
using proto::Status;

namespace {

// Copying so many clean rows costs less than one more request.
constexpr uint32_t kJoinRows = 8;

class X11BandCopier final : public X11Copier {
 public:
  X11BandCopier(const X11Connection& connection, X11Damage& damage, const Geometry& geometry,
                std::span<const Surface> surfaces, X11Segment segment)
      : connection_(connection), damage_(damage), geometry_(geometry), segment_(std::move(segment)) {
    for (const Surface& surface : surfaces) {
      targets_.push_back({static_cast<uint32_t>(surface.offset), std::vector<bool>(geometry.height)});
    }
  }

  Status copy(size_t surface, bool everything, Damage& changed) override;
  void painted_over(size_t surface, DamageRect rect) override {
    std::fill_n(targets_[surface].missing.begin() + rect.y, rect.height, true);
  }

 private:
  struct Target {
    uint32_t offset;
    std::vector<bool> missing;  // rows
  };

  void add_missing(const Damage& changed);
  Status copy_missing(Target& target);

  const X11Connection& connection_;
  X11Damage& damage_;
  const Geometry geometry_;
  const X11Segment segment_;
  std::vector<Target> targets_;
  std::vector<xcb_shm_get_image_cookie_t> sent_;
};

Status X11BandCopier::copy(size_t surface, bool everything, Damage& changed) {
  damage_.take();
  if (auto fetched = damage_.fetch(geometry_, changed); !fetched) return fetched;
  if (everything) changed.set_full(geometry_);
  add_missing(changed);
  return copy_missing(targets_[surface]);
}

void X11BandCopier::add_missing(const Damage& changed) {
  for (Target& target : targets_) {
    for (const DamageRect& rect : changed) {
      std::fill_n(target.missing.begin() + rect.y, rect.height, true);
    }
  }
}

Status X11BandCopier::copy_missing(Target& target) {
  xcb_connection_t* xcb = connection_.xcb();
  const auto begin = target.missing.begin();
  const auto end = target.missing.end();
  sent_.clear();
  for (auto first = std::find(begin, end, true); first != end;) {
    auto last = first;  // the band ends behind it
    auto next = first;
    while (next != end && next - last <= kJoinRows) {
      last = std::find(next, end, false);
      next = std::find(last, end, true);
    }
    const auto y = static_cast<uint32_t>(first - begin);
    sent_.push_back(xcb_shm_get_image(xcb, connection_.root(), 0, static_cast<int16_t>(y),
                                      static_cast<uint16_t>(geometry_.width),
                                      static_cast<uint16_t>(last - first), ~0u, XCB_IMAGE_FORMAT_Z_PIXMAP,
                                      segment_.id(), target.offset + y * geometry_.stride()));
    first = next;
  }

  Status copied = Ok{};
  for (const auto cookie : sent_) {
    xcb_generic_error_t* error = nullptr;
    const XcbPtr<xcb_shm_get_image_reply_t> reply(xcb_shm_get_image_reply(xcb, cookie, &error));
    const XcbPtr<xcb_generic_error_t> owner(error);
    if (!reply) copied = error ? connection_.failed(*error) : connection_.gone();
  }
  connection_.count_round_trip();
  if (copied) std::fill(begin, end, false);
  return copied;
}

}  // namespace

Result<std::unique_ptr<X11Copier>> make_x11_band_copier(const X11Connection& connection, X11Damage& damage,
                                                        const Geometry& geometry,
                                                        std::span<const Surface> surfaces) {
  auto segment = X11Segment::attach(connection, surfaces.front().fd);
  if (!segment) return segment.error();
  return std::unique_ptr<X11Copier>(
      std::make_unique<X11BandCopier>(connection, damage, geometry, surfaces, *std::move(segment)));
}

}  // namespace framering::daemon
