// What all sources of an X server have in common: a picture that is copied into surfaces, with the pointer
// told of or painted in, over the connection that they share. Which picture, and what its events mean, is the
// derived class's.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "daemon/capture/source.h"
#include "daemon/capture/x11_caller.h"
#include "daemon/capture/x11_copier.h"
#include "daemon/capture/x11_copy_method.h"
#include "daemon/capture/x11_cursor.h"
#include "daemon/capture/x11_damage.h"
#include "daemon/capture/x11_hub.h"
#include "proto/result.h"

namespace framering::daemon {

class X11View : public Source, protected X11Listener {
 public:
  int event_fd() const final { return caller_.bell().fd(); }
  proto::Result<SourceEvents> poll() final;
  proto::Result<std::optional<Cursor>> cursor() final { return cursor_.look(window(), is_shown()); }
  bool has_cursor() const final { return !cursor_.is_embedded(); }
  bool paints_cursor() const final { return cursor_.is_embedded(); }
  proto::Result<CaptureInfo> capture(size_t surface, Request request) final;
  uint64_t round_trips() const final { return caller_.round_trips(); }
  // Drawing that bypasses the server's damage, such as a GPU's own, is seen by whole frames only.
  bool wants_safety_frames() const final { return true; }
  void interrupt() final { caller_.interrupt(); }

 protected:
  X11View(std::shared_ptr<X11Hub> hub, X11Bell bell, X11CopyMethod copy_method, bool embed_cursor)
      : caller_(std::move(hub), std::move(bell)), copy_method_(copy_method), cursor_(caller_, embed_cursor) {}

  // The constructor of the derived class ends, and its destructor begins, with these.
  void listen() { caller_.hub().add(*this); }
  void stop_listening() { caller_.hub().remove(*this); }

  // In whose coordinates the pointer is looked for, and whether it is on the screen.
  virtual xcb_window_t window() const = 0;
  virtual bool is_shown() const { return true; }
  // What was heard since the last time.
  virtual proto::Result<SourceEvents> news() = 0;
  // kInvalidArgument if what was just copied is no frame of the bound geometry. The events up to the copy are
  // told by now.
  virtual proto::Status check_copied() = 0;

  void heard(uint8_t type, const xcb_generic_event_t& event) override;
  void woken() final;

  proto::Status bind_picture(X11Damage& damage, const X11Picture& picture, const Geometry& geometry,
                             std::span<const Surface> surfaces);
  // The pixels come from another drawable of the same depth from now on.
  void set_picture(xcb_drawable_t drawable, X11Damage& damage);
  // What the surfaces hold is no base for a partial copy.
  void distrust_surfaces() { surfaces_stale_ = true; }

  const X11Caller caller_;

 private:
  const X11CopyMethod copy_method_;
  X11SourceCursor cursor_;
  std::unique_ptr<X11Copier> copier_;
  bool surfaces_stale_ = false;
};

// The connection of this display that `hubs` share; without any, one of its own.
proto::Result<std::shared_ptr<X11Hub>> find_x11_hub(const std::string& display,
                                                    const std::shared_ptr<X11Hubs>& hubs);

// `arguments` are what the view's constructor takes after the hub and the bell.
template <class View, class... Arguments>
proto::Result<std::unique_ptr<View>> make_x11_view(std::shared_ptr<X11Hub> hub, Arguments&&... arguments) {
  auto bell = X11Bell::create();
  if (!bell) return bell.error();
  return std::make_unique<View>(std::move(hub), *std::move(bell), std::forward<Arguments>(arguments)...);
}

}  // namespace framering::daemon
