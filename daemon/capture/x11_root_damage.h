// What changed on the root window, collected once for all sources that look at it. Whoever takes it hands it
// to the others too.
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

  xcb_connection_t* const xcb_;
  const xcb_damage_damage_t damage_;
  const xcb_xfixes_region_t taken_;
  // Held from taking the damage until all shares have it; requests are only sent meanwhile.
  std::mutex mutex_;
  std::vector<Share*> shares_;
};

class X11RootDamage::Share final : public X11Damage {
 public:
  explicit Share(const X11Caller& caller);
  ~Share() override;

  bool take() override { return root_->take(*this); }
  xcb_damage_damage_t id() const { return root_->id(); }

 private:
  friend class X11RootDamage;

  const std::shared_ptr<X11RootDamage> root_;
  const xcb_xfixes_region_t pending_;  // what others took since this one did
  uint32_t behind_ = 0;                // so often
};

}  // namespace framering::daemon
