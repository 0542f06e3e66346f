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
  X11BandCopier(const X11Caller& caller, X11Damage& damage, const X11Picture& picture, uint32_t stride,
                std::span<const Surface> surfaces, X11Segment segment)
      : caller_(caller), damage_(&damage), picture_(picture), stride_(stride), segment_(std::move(segment)) {
    for (const Surface& surface : surfaces) {
      targets_.push_back({static_cast<uint32_t>(surface.offset), std::vector<bool>(picture.area.height)});
    }
  }

  Status copy(size_t surface, bool everything, Damage& changed) override;
  void painted_over(size_t surface, DamageRect rect) override {
    std::fill_n(targets_[surface].missing.begin() + rect.y, rect.height, true);
  }
  void set_source(xcb_drawable_t drawable, X11Damage& damage) override {
    picture_.drawable = drawable;
    damage_ = &damage;
  }

 private:
  struct Target {
    uint32_t offset;
    std::vector<bool> missing;  // rows
  };

  void add_missing(const Damage& changed);
  Status copy_missing(Target& target);

  const X11Caller& caller_;
  X11Damage* damage_;
  X11Picture picture_;
  const uint32_t stride_;  // bytes
  const X11Segment segment_;
  std::vector<Target> targets_;
  std::vector<xcb_shm_get_image_cookie_t> sent_;
};

Status X11BandCopier::copy(size_t surface, bool everything, Damage& changed) {
  everything |= !damage_->take();
  if (auto fetched = damage_->fetch(picture_.area, changed); !fetched) return fetched;
  if (everything) changed.set_full({picture_.area.width, picture_.area.height});
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
  xcb_connection_t* xcb = caller_.xcb();
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
    sent_.push_back(xcb_shm_get_image(xcb, picture_.drawable, picture_.x,
                                      static_cast<int16_t>(picture_.y + static_cast<int32_t>(y)),
                                      picture_.area.width, static_cast<uint16_t>(last - first), ~0u,
                                      XCB_IMAGE_FORMAT_Z_PIXMAP, segment_.id(), target.offset + y * stride_));
    first = next;
  }

  Status copied = Ok{};
  // The last first: all of them are one round trip.
  for (auto cookie = sent_.rbegin(); cookie != sent_.rend(); ++cookie) {
    const auto reply = caller_.reply<xcb_shm_get_image_reply_t>(*cookie);
    if (!reply) copied = reply.error();
  }
  if (copied) std::fill(begin, end, false);
  return copied;
}

}  // namespace

Result<std::unique_ptr<X11Copier>> make_x11_band_copier(const X11Caller& caller, X11Damage& damage,
                                                        const X11Picture& picture, uint32_t stride,
                                                        std::span<const Surface> surfaces) {
  auto segment = X11Segment::attach(caller, surfaces.front().fd);
  if (!segment) return segment.error();
  return std::unique_ptr<X11Copier>(
      std::make_unique<X11BandCopier>(caller, damage, picture, stride, surfaces, *std::move(segment)));
}

}  // namespace framering::daemon
