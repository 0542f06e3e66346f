#include "daemon/capture/x11_root_damage.h"

#include <algorithm>

namespace framering::daemon {

namespace {

// Nobody reads a source that is so far behind: it takes everything when it goes on, and its region stays
// small.
constexpr uint32_t kFarBehind = 256;

}  // namespace

X11RootDamage::X11RootDamage(const X11Hub& hub)
    : xcb_(hub.connection().xcb()), damage_(xcb_generate_id(xcb_)), taken_(xcb_generate_id(xcb_)) {
  // NonEmpty: one event until the damage is taken, however much is drawn.
  xcb_damage_create(xcb_, damage_, hub.connection().root(), XCB_DAMAGE_REPORT_LEVEL_NON_EMPTY);
  xcb_xfixes_create_region(xcb_, taken_, 0, nullptr);
}

X11RootDamage::~X11RootDamage() {
  xcb_xfixes_destroy_region(xcb_, taken_);
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

bool X11RootDamage::take(Share& share) {
  std::lock_guard lock(mutex_);
  xcb_damage_subtract(xcb_, damage_, XCB_NONE, taken_);
  for (Share* each : shares_) {
    if (each == &share || each->behind_ > kFarBehind) continue;
    if (++each->behind_ > kFarBehind) {
      xcb_xfixes_set_region(xcb_, each->pending_, 0, nullptr);
    } else {
      xcb_xfixes_union_region(xcb_, each->pending_, taken_, each->pending_);
    }
  }
  xcb_xfixes_union_region(xcb_, share.pending_, taken_, share.parts());
  if (share.behind_ > 0) xcb_xfixes_set_region(xcb_, share.pending_, 0, nullptr);
  const bool complete = share.behind_ <= kFarBehind;
  share.behind_ = 0;
  return complete;
}

X11RootDamage::Share::Share(const X11Caller& caller)
    : X11Damage(caller), root_(caller.hub().root_damage()), pending_(xcb_generate_id(caller.xcb())) {
  xcb_xfixes_create_region(caller_.xcb(), pending_, 0, nullptr);
  root_->add(*this);
}

X11RootDamage::Share::~Share() {
  root_->remove(*this);
  xcb_xfixes_destroy_region(caller_.xcb(), pending_);
}

}  // namespace framering::daemon
