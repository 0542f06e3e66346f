#include "daemon/capture/x11_root_damage.h"

#include <algorithm>
#include <utility>

namespace framering::daemon {

namespace {

// Nobody reads a source that is so far behind: it takes everything when it goes on, and its region stays
// small.
constexpr uint32_t kFarBehind = 256;

}  // namespace

X11RootDamage::X11RootDamage(const X11Hub& hub)
    : xcb_(hub.connection().xcb()),
      root_(hub.connection().root()),
      damage_(xcb_generate_id(xcb_)),
      taken_(xcb_generate_id(xcb_)),
      pixel_(xcb_generate_id(xcb_)),
      gc_(xcb_generate_id(xcb_)),
      within_(xcb_generate_id(xcb_)) {
  // DeltaRectangles: what is drawn until the damage is taken is told once, and where, so that it wakes those
  // only who look there.
  xcb_damage_create(xcb_, damage_, root_, XCB_DAMAGE_REPORT_LEVEL_DELTA_RECTANGLES);
  xcb_xfixes_create_region(xcb_, taken_, 0, nullptr);
  xcb_xfixes_create_region(xcb_, within_, 0, nullptr);
  xcb_create_pixmap(xcb_, hub.connection().screen().root_depth, pixel_, root_, 1, 1);
  const uint32_t values[] = {XCB_SUBWINDOW_MODE_INCLUDE_INFERIORS, /*graphics_exposures=*/0};
  xcb_create_gc(xcb_, gc_, pixel_, XCB_GC_SUBWINDOW_MODE | XCB_GC_GRAPHICS_EXPOSURES, values);
}

X11RootDamage::~X11RootDamage() {
  xcb_free_gc(xcb_, gc_);
  xcb_free_pixmap(xcb_, pixel_);
  xcb_xfixes_destroy_region(xcb_, taken_);
  xcb_xfixes_destroy_region(xcb_, within_);
  xcb_damage_destroy(xcb_, damage_);
  xcb_flush(xcb_);
}

void X11RootDamage::add(Share& share) {
  std::lock_guard lock(mutex_);
  shares_.push_back(&share);
}

void X11RootDamage::remove(Share& share) {
  std::lock_guard lock(mutex_);
  std::erase(shares_, &share);
}

// Copying from the root makes the server draw on it what was drawn to redirected windows, which damages it.
// Were that left to the copy of the frame itself, it would come after the damage was taken and be missing.
void X11RootDamage::bring_up_to_date() {
  xcb_copy_area(xcb_, root_, pixel_, gc_, 0, 0, 0, 0, 1, 1);
}

bool X11RootDamage::take(Share& share) {
  std::lock_guard lock(mutex_);
  bring_up_to_date();
  xcb_damage_subtract(xcb_, damage_, XCB_NONE, taken_);
  for (Share* each : shares_) {
    if (each == &share || each->behind_ > kFarBehind) continue;
    // Who is not looked at by his reader falls behind; what is drawn elsewhere adds nothing.
    each->is_pending_ = true;
    if (each->is_touched()) ++each->behind_;
    if (each->behind_ > kFarBehind) {
      xcb_xfixes_set_region(xcb_, each->pending_, 0, nullptr);
    } else {
      xcb_xfixes_intersect_region(xcb_, taken_, each->area_, within_);
      xcb_xfixes_union_region(xcb_, each->pending_, within_, each->pending_);
    }
  }
  xcb_xfixes_union_region(xcb_, share.pending_, taken_, share.parts());
  xcb_xfixes_intersect_region(xcb_, share.parts(), share.area_, share.parts());
  if (std::exchange(share.is_pending_, false)) xcb_xfixes_set_region(xcb_, share.pending_, 0, nullptr);
  const bool complete = std::exchange(share.behind_, 0) <= kFarBehind;
  return complete;
}

X11RootDamage::Share::Share(const X11Caller& caller)
    : X11Damage(caller),
      root_(caller.hub().root_damage()),
      area_(xcb_generate_id(caller.xcb())),
      pending_(xcb_generate_id(caller.xcb())) {
  xcb_xfixes_create_region(caller_.xcb(), area_, 0, nullptr);
  xcb_xfixes_create_region(caller_.xcb(), pending_, 0, nullptr);
  root_->add(*this);
}

X11RootDamage::Share::~Share() {
  root_->remove(*this);
  xcb_xfixes_destroy_region(caller_.xcb(), pending_);
  xcb_xfixes_destroy_region(caller_.xcb(), area_);
}

void X11RootDamage::Share::set_area(const X11Area& area) {
  const xcb_rectangle_t rectangle{area.x, area.y, area.width, area.height};
  xcb_xfixes_set_region(caller_.xcb(), area_, 1, &rectangle);
  std::lock_guard lock(note_mutex_);
  where_ = area;
}

bool X11RootDamage::Share::note(const xcb_rectangle_t& drawn) {
  std::lock_guard lock(note_mutex_);
  const bool meets = drawn.x < where_.x + where_.width && where_.x < drawn.x + drawn.width &&
                     drawn.y < where_.y + where_.height && where_.y < drawn.y + drawn.height;
  touched_ |= meets;
  return meets;
}

bool X11RootDamage::Share::is_touched() {
  std::lock_guard lock(note_mutex_);
  return touched_;
}

void X11RootDamage::Share::distrust() {
  std::lock_guard lock(note_mutex_);
  complete_ = false;
}

bool X11RootDamage::Share::take() {
  bool told_all;
  {
    // Before it is taken: what is noted from here on counts for the next time, if it was too late for this
    // one.
    std::lock_guard lock(note_mutex_);
    touched_ = false;
    told_all = std::exchange(complete_, true);
  }
  return root_->take(*this) && told_all;
}

}  // namespace framering::daemon
