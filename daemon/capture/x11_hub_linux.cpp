#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <xcb/randr.h>
#include <xcb/screensaver.h>
#include <xcb/xcbext.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "daemon/capture/x11_hub.h"
#include "daemon/capture/x11_root_damage.h"
#include "daemon/frame.h"
#include "daemon/thread_name.h"

namespace framering::daemon {

using proto::ErrorCode;
using proto::Result;
using proto::Status;

namespace {

constexpr uint64_t kMillisecondNs = 1'000'000;
constexpr uint64_t kQuietNs = 50 * kMillisecondNs;         // no change for so long: at rest
constexpr uint64_t kSettleLimitNs = 500 * kMillisecondNs;  // then whatever it is
constexpr uint8_t kEventTypeMask = 0x7f;                   // the top bit marks events that clients sent
// Who writes to a full socket reads from it as well, unseen by who polls: he looks again after this.
constexpr int kLookAgainMs = 100;

bool is_dark(uint8_t saver_state) {
  return saver_state == XCB_SCREENSAVER_STATE_ON || saver_state == XCB_SCREENSAVER_STATE_CYCLE;
}

}  // namespace

Result<std::shared_ptr<X11Hub>> X11Hub::open(const std::string& display) {
  auto connection = X11Connection::open(display);
  if (!connection) return connection.error();
  return start(*std::move(connection));
}

Result<std::shared_ptr<X11Hub>> X11Hub::open(DisplayAccess access) {
  auto connection = X11Connection::open(std::move(access));
  if (!connection) return connection.error();
  return start(*std::move(connection));
}

Result<std::shared_ptr<X11Hub>> X11Hub::start(std::unique_ptr<X11Connection> connection) {
  std::shared_ptr<X11Hub> hub(new X11Hub(std::move(connection)));
  if (auto made = hub->make_descriptors(); !made) return made.error();
  xcb_connection_t* xcb = hub->connection_->xcb();
  const xcb_window_t root = hub->connection_->root();
  // StructureNotify tells of every new size of the root, SubstructureNotify of the windows on it, RandR of
  // the monitors, PropertyChange of the active window.
  hub->select(root, XCB_EVENT_MASK_STRUCTURE_NOTIFY | XCB_EVENT_MASK_SUBSTRUCTURE_NOTIFY |
                        XCB_EVENT_MASK_PROPERTY_CHANGE);
  if (hub->connection_->has_monitors()) {
    xcb_randr_select_input(xcb, root,
                           XCB_RANDR_NOTIFY_MASK_SCREEN_CHANGE | XCB_RANDR_NOTIFY_MASK_CRTC_CHANGE |
                               XCB_RANDR_NOTIFY_MASK_OUTPUT_CHANGE);
  }
  const XcbPtr<xcb_get_geometry_reply_t> size(
      xcb_get_geometry_reply(xcb, xcb_get_geometry(xcb, root), nullptr));
  if (!size) return hub->connection_->gone();
  if (hub->connection_->has_screen_saver()) {
    // DPMS turns the saver on and off too.
    xcb_screensaver_select_input(xcb, root, XCB_SCREENSAVER_EVENT_NOTIFY_MASK);
    const XcbPtr<xcb_screensaver_query_info_reply_t> saver(
        xcb_screensaver_query_info_reply(xcb, xcb_screensaver_query_info(xcb, root), nullptr));
    if (saver) hub->blanked_ = is_dark(saver->state);
  }
  hub->screen_ = {size->width, size->height, 0, 0};
  hub->thread_ = std::thread([&hub = *hub] { hub.listen(); });
  return hub;
}

X11Hub::X11Hub(std::unique_ptr<X11Connection> connection) : connection_(std::move(connection)) {}

Status X11Hub::make_descriptors() {
  stop_event_ = proto::UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  listened_ = proto::UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  for (const int fd : {connection_->fd(), stop_event_.get()}) {
    epoll_event event{EPOLLIN, {.fd = fd}};
    if (epoll_ctl(listened_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
      return proto::errno_error(ErrorCode::kOutOfMemory, "cannot listen to an X server", errno);
    }
  }
  return proto::Ok{};
}

X11Hub::~X11Hub() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(stop_event_.get(), &one, sizeof one);
  thread_.join();
}

void X11Hub::add(X11Listener& listener) {
  std::lock_guard lock(listening_);
  listeners_.push_back(&listener);
}

void X11Hub::remove(X11Listener& listener) {
  std::lock_guard lock(listening_);
  std::erase(listeners_, &listener);
}

uint32_t X11Hub::wanted_of(xcb_window_t window) const {
  uint32_t mask = 0;
  const auto [first, last] = wanted_events_.equal_range(window);
  for (auto wanted = first; wanted != last; ++wanted) mask |= wanted->second;
  return mask;
}

// Sent under the lock, so that the last change is the one that holds.
void X11Hub::change_mask(xcb_window_t window, uint32_t before) {
  const uint32_t mask = wanted_of(window);
  if (mask == before) return;
  xcb_change_window_attributes(connection_->xcb(), window, XCB_CW_EVENT_MASK, &mask);
}

void X11Hub::select(xcb_window_t window, uint32_t mask) {
  std::lock_guard lock(mutex_);
  const uint32_t before = wanted_of(window);
  wanted_events_.emplace(window, mask);
  change_mask(window, before);
}

void X11Hub::deselect(xcb_window_t window, uint32_t mask) {
  {
    std::lock_guard lock(mutex_);
    const uint32_t before = wanted_of(window);
    const auto [first, last] = wanted_events_.equal_range(window);
    wanted_events_.erase(std::find_if(first, last, [mask](const auto& each) { return each.second == mask; }));
    change_mask(window, before);
  }
  xcb_flush(connection_->xcb());
}

std::shared_ptr<X11RootDamage> X11Hub::root_damage() {
  std::lock_guard lock(mutex_);
  auto damage = root_damage_.lock();
  if (!damage) root_damage_ = damage = std::make_shared<X11RootDamage>(*this);
  return damage;
}

X11Screen X11Hub::screen() const {
  std::lock_guard lock(mutex_);
  return screen_;
}

XcbPtr<void> X11Hub::wait(unsigned sequence, XcbPtr<xcb_generic_error_t>& error,
                          const std::atomic<bool>& interrupted) {
  xcb_connection_t* xcb = connection_->xcb();
  xcb_flush(xcb);
  for (;;) {
    std::unique_lock lock(mutex_);
    const uint64_t seen = reads_;
    lock.unlock();
    void* reply = nullptr;
    xcb_generic_error_t* failure = nullptr;
    if (xcb_poll_for_reply(xcb, sequence, &reply, &failure)) {
      error.reset(failure);
      take_events();
      return XcbPtr<void>(reply);
    }
    if (connection_->lost()) return nullptr;
    if (interrupted) {
      xcb_discard_reply(xcb, sequence);
      return nullptr;
    }
    if (std::unique_lock reading(reading_, std::try_to_lock); reading) {
      lock.lock();
      const bool read_meanwhile = reads_ != seen;
      lock.unlock();
      pollfd fd{connection_->fd(), POLLIN, 0};
      // What comes is to wake this thread alone.
      listen_to_server(false);
      if (!read_meanwhile && !interrupted) poll(&fd, 1, kLookAgainMs);
      take_events();
      listen_to_server(true);
    } else {
      lock.lock();
      changed_.wait_for(lock, std::chrono::milliseconds(kLookAgainMs),
                        [&] { return reads_ != seen || interrupted; });
    }
  }
}

void X11Hub::wake_waiters() {
  { std::lock_guard lock(mutex_); }
  changed_.notify_all();
}

void X11Hub::take_events() {
  {
    std::lock_guard lock(listening_);
    while (const XcbPtr<xcb_generic_event_t> event{xcb_poll_for_event(connection_->xcb())}) dispatch(*event);
    if (connection_->lost()) wake_listeners();
  }
  {
    std::lock_guard lock(mutex_);
    ++reads_;
  }
  changed_.notify_all();
}

void X11Hub::dispatch(const xcb_generic_event_t& event) {
  const uint8_t type = event.response_type & kEventTypeMask;
  // Errors of requests that nobody checks: what they were about is gone, as its own events tell.
  if (type == 0) return;
  if (type == XCB_CONFIGURE_NOTIFY) {
    const auto& configured = reinterpret_cast<const xcb_configure_notify_event_t&>(event);
    if (configured.window == connection_->root()) return note_screen(configured.width, configured.height);
  } else if (connection_->is_randr_event(type)) {
    const X11Screen now = screen();
    return note_screen(now.width, now.height);
  } else if (connection_->has_screen_saver() && type == connection_->saver_event()) {
    const auto& saver = reinterpret_cast<const xcb_screensaver_notify_event_t&>(event);
    blanked_ = is_dark(saver.state);
    return wake_listeners();
  }
  for (X11Listener* listener : listeners_) listener->heard(type, event);
}

void X11Hub::note_screen(uint16_t width, uint16_t height) {
  {
    std::lock_guard lock(mutex_);
    screen_ = {width, height, screen_.changes + 1, now_ns()};
  }
  wake_listeners();
}

void X11Hub::wake_listeners() {
  for (X11Listener* listener : listeners_) listener->woken();
}

void X11Hub::wait_until_settled(const std::atomic<bool>& interrupted) {
  const uint64_t limit_ns = now_ns() + kSettleLimitNs;
  std::unique_lock lock(mutex_);
  for (;;) {
    const uint64_t rest_ns = screen_.changes > 0 ? std::min(screen_.changed_ns + kQuietNs, limit_ns) : 0;
    const uint64_t now = now_ns();
    if (now >= rest_ns || interrupted || connection_->lost()) return;
    changed_.wait_for(lock, std::chrono::nanoseconds(rest_ns - now));
  }
}

void X11Hub::listen_to_server(bool wanted) {
  epoll_event event{wanted ? EPOLLIN : 0u, {.fd = connection_->fd()}};
  [[maybe_unused]] const int modified = epoll_ctl(listened_.get(), EPOLL_CTL_MOD, connection_->fd(), &event);
}

void X11Hub::listen() {
  name_this_thread("x11-events");
  while (!connection_->lost()) {
    epoll_event event{};
    if (epoll_wait(listened_.get(), &event, 1, -1) < 0 && errno != EINTR) break;
    if (event.data.fd == stop_event_.get()) return;
    // A thread that waits for a reply takes in what came with it.
    std::lock_guard reading(reading_);
    take_events();
  }
}

Result<std::shared_ptr<X11Hub>> X11Hubs::get(const std::string& display) {
  std::lock_guard lock(mutex_);
  if (handed_ != nullptr && display == kSessionDisplay) return get_handed();
  auto hub = hubs_[display].lock();
  if (hub && !hub->connection().lost()) return hub;
  auto opened = X11Hub::open(display);
  if (opened) hubs_[display] = *opened;
  return opened;
}

Result<std::shared_ptr<X11Hub>> X11Hubs::get_handed() {
  if (auto access = handed_->take()) {
    auto opened = X11Hub::open(*std::move(access));
    if (!opened) return opened.error();
    handed_hub_ = *std::move(opened);
  }
  if (handed_hub_ && !handed_hub_->connection().lost()) return handed_hub_;
  handed_hub_.reset();
  return proto::Error{ErrorCode::kUnavailable, "no session has handed in its desktop",
                      "run framering-session in it, as a user who may (display = true of a [[policy]])"};
}

}  // namespace framering::daemon
