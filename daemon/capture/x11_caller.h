// One source's use of the connection that all sources of a display share: its own interruption, and its own
// bell, which rings when there is news for it.
#pragma once

#include <xcb/xcb.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "daemon/capture/x11_bell.h"
#include "daemon/capture/x11_connection.h"
#include "daemon/capture/x11_hub.h"
#include "proto/result.h"

namespace framering::daemon {

class X11Caller {
 public:
  X11Caller(std::shared_ptr<X11Hub> hub, X11Bell bell) : hub_(std::move(hub)), bell_(std::move(bell)) {}

  X11Hub& hub() const { return *hub_; }
  const X11Connection& connection() const { return hub_->connection(); }
  xcb_connection_t* xcb() const { return connection().xcb(); }
  X11Bell& bell() const { return bell_; }

  // The reply to a request of this cookie, kUnavailable where the server refuses it or is gone. One round
  // trip, with all that was sent before it.
  template <class Reply, class Cookie>
  proto::Result<XcbPtr<Reply>> reply(Cookie cookie) const {
    XcbPtr<xcb_generic_error_t> error;
    XcbPtr<Reply> answer = reply<Reply>(cookie, error);
    if (error) return connection().failed(*error);
    if (!answer) return ended();
    return answer;
  }
  // The same for who has to know the server's error. Both null where it is gone.
  template <class Reply, class Cookie>
  XcbPtr<Reply> reply(Cookie cookie, XcbPtr<xcb_generic_error_t>& error) const {
    count_round_trip(cookie.sequence);
    return XcbPtr<Reply>(static_cast<Reply*>(hub_->wait(cookie.sequence, error, interrupted_).release()));
  }
  // For a request without a reply that was sent as checked; one round trip.
  proto::Status check(xcb_void_cookie_t cookie) const;
  // The same where a later reply has come already.
  proto::Status checked(xcb_void_cookie_t cookie) const;

  // How often this source has waited for an answer so far. The source's own thread.
  uint64_t round_trips() const { return round_trips_; }

  // Any thread. Ends every wait of this source, for good.
  void interrupt() const;
  const std::atomic<bool>& interrupted() const { return interrupted_; }
  bool has_ended() const { return interrupted_ || connection().lost(); }
  proto::Error ended() const;  // why nothing can be asked any more

 private:
  void count_round_trip(unsigned sequence) const;

  const std::shared_ptr<X11Hub> hub_;
  mutable X11Bell bell_;
  mutable std::atomic<bool> interrupted_{false};
  mutable uint64_t round_trips_ = 0;
  mutable unsigned awaited_ = 0;  // the newest request that was waited for; the numbers wrap around
};

}  // namespace framering::daemon
