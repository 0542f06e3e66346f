// What changed on the root window, collected once for all sources that look at parts of it. Whoever takes it
// hands to the others what is theirs.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "daemon/capture/x11_damage.h"
#include "daemon/capture/x11_hub.h"

namespace framering::daemon {

// Any thread.
class X11RootDamage {
 public:
  // One source's share.
  class Share;

  explicit X11RootDamage(const X11Hub& hub);
  ~X11RootDamage();
  X11RootDamage(const X11RootDamage&) = delete;
  X11RootDamage& operator=(const X11RootDamage&) = delete;

  xcb_damage_damage_t id() const { return damage_; }

 private:
  void add(Share& share);
  void remove(Share& share);
  bool take(Share& share);
  void bring_up_to_date();

  xcb_connection_t* const xcb_;
  const xcb_window_t root_;
  const xcb_damage_damage_t damage_;
  const xcb_xfixes_region_t taken_;
  const xcb_pixmap_t pixel_;  // what is copied to bring the root up to date
  const xcb_gcontext_t gc_;
  const xcb_xfixes_region_t within_;  // of that, what is in one source's area
  // Held from taking the damage until all shares have it; requests are only sent meanwhile.
  std::mutex mutex_;
  std::vector<Share*> shares_;
};

class X11RootDamage::Share final : public X11Damage {
 public:
  explicit Share(const X11Caller& caller);
  ~Share() override;

  // Where on the root the source looks: nowhere before.
  void set_area(const X11Area& area);
  // Any thread. An event says that something was drawn there; true if that concerns this source.
  bool note(const xcb_rectangle_t& drawn);
  // Any thread. More may have changed than the server tells.
  void distrust();
  bool take() override;
  xcb_damage_damage_t id() const { return root_->id(); }

 private:
  friend class X11RootDamage;

  bool is_touched();

  const std::shared_ptr<X11RootDamage> root_;
  const xcb_xfixes_region_t area_;     // in the server
  const xcb_xfixes_region_t pending_;  // of it, what others took since this one did
  bool is_pending_ = false;            // there may be some
  uint32_t behind_ = 0;                // how often, where something was drawn there
  std::mutex note_mutex_;              // guards what follows
  X11Area where_;
  bool touched_ = false;  // something was drawn there since this one took it
  bool complete_ = true;  // what was told since then is all that changed
};

}  // namespace framering::daemon
