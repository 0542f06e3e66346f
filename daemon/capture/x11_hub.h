// One connection to an X server for all that is captured from it. A thread of its own takes in what the
// server sends; threads that wait for a reply read too, so that a reply costs no detour.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "daemon/capture/x11_connection.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace framering::daemon {

class X11RootDamage;

// Who hears events. Both are called by whichever thread reads, one at a time, and only note what they hear.
class X11Listener {
 public:
  virtual ~X11Listener() = default;
  // Without the bit that marks events that clients sent.
  virtual void heard(uint8_t type, const xcb_generic_event_t& event) = 0;
  // The connection is lost, or the screen() is another, or it went dark or came back.
  virtual void woken() = 0;
};

// The root window's size, and how often its size or the monitors on it have changed.
struct X11Screen {
  uint16_t width = 0;   // pixels
  uint16_t height = 0;  // pixels
  uint64_t changes = 0;
  uint64_t changed_ns = 0;  // CLOCK_MONOTONIC
};

// Any thread.
class X11Hub : public std::enable_shared_from_this<X11Hub> {
 public:
  // As open_x11_source().
  static proto::Result<std::shared_ptr<X11Hub>> open(const std::string& display);
  static proto::Result<std::shared_ptr<X11Hub>> open(DisplayAccess access);
  ~X11Hub();
  X11Hub(const X11Hub&) = delete;
  X11Hub& operator=(const X11Hub&) = delete;

  const X11Connection& connection() const { return *connection_; }

  void add(X11Listener& listener);
  void remove(X11Listener& listener);  // it hears nothing once this has returned

  // For X11WindowEvents.
  void select(xcb_window_t window, uint32_t mask);
  void deselect(xcb_window_t window, uint32_t mask);

  // What changes on the root window; made for its first user, gone with the last.
  std::shared_ptr<X11RootDamage> root_damage();
  X11Screen screen() const;
  // Windows are redirected over this connection: counted by who redirects them.
  void count_redirected(int change) { redirected_ += change; }
  bool redirects_windows() const { return redirected_ > 0; }
  // Its monitors are dark, by the screen saver or by DPMS.
  bool is_blanked() const { return blanked_; }

  // Sends what is buffered, and waits for the request to be done: its reply and error, both null if the
  // connection is lost, if `interrupted` becomes true, or if the request has neither.
  XcbPtr<void> wait(unsigned sequence, XcbPtr<xcb_generic_error_t>& error,
                    const std::atomic<bool>& interrupted);
  // Ends waits whose flag was set.
  void wake_waiters();
  // Tells the listeners all that the server has sent by now. After a wait(): all that came before its reply.
  void take_events();
  // Sleeps until the screen has not changed for a while; it passes through other sizes.
  void wait_until_settled(const std::atomic<bool>& interrupted);

 private:
  explicit X11Hub(std::unique_ptr<X11Connection> connection);
  static proto::Result<std::shared_ptr<X11Hub>> start(std::unique_ptr<X11Connection> connection);
  proto::Status make_descriptors();
  void listen();
  // Whether the listening thread gets up for what the server sends.
  void listen_to_server(bool wanted);
  void dispatch(const xcb_generic_event_t& event);
  void change_mask(xcb_window_t window, uint32_t before);  // locked
  uint32_t wanted_of(xcb_window_t window) const;           // locked
  void note_screen(uint16_t width, uint16_t height);
  void wake_listeners();  // with listening_ held

  const std::unique_ptr<X11Connection> connection_;
  proto::UniqueFd stop_event_;
  proto::UniqueFd listened_;  // an epoll instance: the connection and stop_event_

  std::mutex reading_;    // held by the waiting thread that polls the socket
  std::mutex listening_;  // held while events are taken and told
  std::vector<X11Listener*> listeners_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t reads_ = 0;  // of the socket, so far
  X11Screen screen_;
  std::weak_ptr<X11RootDamage> root_damage_;
  std::atomic<bool> blanked_{false};
  std::atomic<int> redirected_{0};
  std::multimap<xcb_window_t, uint32_t> wanted_events_;

  std::thread thread_;
};

// The hubs of a daemon: one a display, for as long as someone uses it.
class X11Hubs {
 public:
  // `handed` is where kSessionDisplay comes from, and outlives this; none: there is no such display.
  explicit X11Hubs(HandedDisplay* handed = nullptr) : handed_(handed) {}

  // Connects where there is no hub, or where the hub's server has gone.
  proto::Result<std::shared_ptr<X11Hub>> get(const std::string& display);

 private:
  proto::Result<std::shared_ptr<X11Hub>> get_handed();

  HandedDisplay* const handed_;
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<X11Hub>> hubs_;
  std::shared_ptr<X11Hub> handed_hub_;  // kept while nobody captures: there is no second connection
};

}  // namespace framering::daemon
