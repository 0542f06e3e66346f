#include <xcb/shm.h>
#include <xcb/xfixes.h>

#include <string>
#include <utility>
#include <vector>

#include "daemon/capture/x11_copier.h"
#include "daemon/capture/x11_segment.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::Ok;
using proto::Result;
using proto::Status;

namespace {

class X11PixmapCopier final : public X11Copier {
 public:
  X11PixmapCopier(const X11Caller& caller, X11Damage& damage, const X11Picture& picture, X11Segment segment)
      : caller_(caller), damage_(&damage), picture_(picture), segment_(std::move(segment)) {}
  ~X11PixmapCopier() override;

  Status make_pixmaps(std::span<const Surface> surfaces);
  Status copy(size_t surface, bool everything, Damage& changed) override;
  void painted_over(size_t surface, DamageRect rect) override;
  void set_source(xcb_drawable_t drawable, X11Damage& damage) override {
    picture_.drawable = drawable;
    damage_ = &damage;
  }

 private:
  struct Target {
    xcb_pixmap_t pixmap;
    xcb_xfixes_region_t missing;  // kept in the server, so that nothing has to come back before the copy
  };

  const X11Caller& caller_;
  X11Damage* damage_;
  X11Picture picture_;
  const X11Segment segment_;
  std::vector<Target> targets_;
  xcb_gcontext_t gc_ = XCB_NONE;
  xcb_xfixes_region_t one_ = XCB_NONE;  // a rectangle on its way
};

X11PixmapCopier::~X11PixmapCopier() {
  xcb_connection_t* xcb = caller_.xcb();
  if (gc_ != XCB_NONE) xcb_free_gc(xcb, gc_);
  if (one_ != XCB_NONE) xcb_xfixes_destroy_region(xcb, one_);
  for (const Target& target : targets_) {
    xcb_free_pixmap(xcb, target.pixmap);
    xcb_xfixes_destroy_region(xcb, target.missing);
  }
}

Status X11PixmapCopier::make_pixmaps(std::span<const Surface> surfaces) {
  xcb_connection_t* xcb = caller_.xcb();
  for (const Surface& surface : surfaces) {
    const xcb_pixmap_t pixmap = xcb_generate_id(xcb);
    const auto cookie = xcb_shm_create_pixmap_checked(
        xcb, pixmap, caller_.connection().root(), picture_.area.width, picture_.area.height, picture_.depth,
        segment_.id(), static_cast<uint32_t>(surface.offset));
    if (auto made = caller_.check(cookie); !made) return made;
    const Target target{pixmap, xcb_generate_id(xcb)};
    xcb_xfixes_create_region(xcb, target.missing, 0, nullptr);
    targets_.push_back(target);
  }
  one_ = xcb_generate_id(xcb);
  xcb_xfixes_create_region(xcb, one_, 0, nullptr);
  gc_ = xcb_generate_id(xcb);
  const uint32_t values[] = {XCB_SUBWINDOW_MODE_INCLUDE_INFERIORS, /*graphics_exposures=*/0};
  xcb_create_gc(xcb, gc_, targets_.front().pixmap, XCB_GC_SUBWINDOW_MODE | XCB_GC_GRAPHICS_EXPOSURES, values);
  return Ok{};
}

Status X11PixmapCopier::copy(size_t surface, bool everything, Damage& changed) {
  xcb_connection_t* xcb = caller_.xcb();
  const X11Area& area = picture_.area;
  const xcb_rectangle_t all{area.x, area.y, area.width, area.height};
  const Target& target = targets_[surface];
  everything |= !damage_->take();
  for (const Target& each : targets_) {
    if (everything) {
      xcb_xfixes_set_region(xcb, each.missing, 1, &all);
    } else {
      xcb_xfixes_union_region(xcb, each.missing, damage_->parts(), each.missing);
    }
  }
  // The clip's origin moves the region to where the area is in the frame.
  xcb_xfixes_set_gc_clip_region(xcb, gc_, target.missing, static_cast<int16_t>(-area.x),
                                static_cast<int16_t>(-area.y));
  const auto copied = xcb_copy_area_checked(xcb, picture_.drawable, target.pixmap, gc_, picture_.x,
                                            picture_.y, 0, 0, area.width, area.height);
  xcb_xfixes_set_region(xcb, target.missing, 0, nullptr);
  Status fetched = damage_->fetch(area, changed);
  if (const Status done = caller_.checked(copied); !done) return done;
  if (!fetched) return fetched;
  if (everything) changed.set_full({area.width, area.height});
  return Ok{};
}

void X11PixmapCopier::painted_over(size_t surface, DamageRect rect) {
  xcb_connection_t* xcb = caller_.xcb();
  const xcb_rectangle_t there{static_cast<int16_t>(rect.x + picture_.area.x),
                              static_cast<int16_t>(rect.y + picture_.area.y), rect.width, rect.height};
  const xcb_xfixes_region_t missing = targets_[surface].missing;
  xcb_xfixes_set_region(xcb, one_, 1, &there);
  xcb_xfixes_union_region(xcb, one_, missing, missing);
}

}  // namespace

Result<std::unique_ptr<X11Copier>> make_x11_pixmap_copier(const X11Caller& caller, X11Damage& damage,
                                                          const X11Picture& picture,
                                                          std::span<const Surface> surfaces) {
  if (!caller.connection().shares_pixmaps()) {
    return Error{ErrorCode::kUnavailable, "the X server does not share pixmaps", {}};
  }
  auto segment = X11Segment::attach(caller, surfaces.front().fd);
  if (!segment) return segment.error();
  auto copier = std::make_unique<X11PixmapCopier>(caller, damage, picture, *std::move(segment));
  if (auto made = copier->make_pixmaps(surfaces); !made) return made.error();
  return std::unique_ptr<X11Copier>(std::move(copier));
}

}  // namespace framering::daemon
