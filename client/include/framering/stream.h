// Part of the public API.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "framering/error.h"
#include "framering/export.h"
#include "framering/frame.h"
#include "framering/types.h"

namespace framering {

namespace internal {
class StreamCore;
}

inline constexpr std::chrono::nanoseconds forever = std::chrono::nanoseconds::max();

// An attached stream. Every member may be called from any thread; each thread that waits gets its own frames
// (a frame goes to one of them). Frames may outlive it. A resize of the source is followed silently:
// Frame::epoch() grows.
class FRAMERING_API Stream {
 public:
  explicit Stream(std::shared_ptr<internal::StreamCore> core) noexcept;
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;
  ~Stream();  // close()

  // The next frame that this stream has not returned yet, by OpenOptions::mode; waits for one, nothing after
  // `timeout`; waits too while every lease is on its way back by Frame::release_after(). Throws stream_ended,
  // disconnected, lease_limit, forked. `on_signal`, if given, is called when a signal handler interrupted the
  // wait, and once a second; it returns false to give up (nothing is returned then).
  // `spin`, 0 to 1 s: how long it watches for a frame before it sleeps, which costs a core and saves the
  // wake-up.
  std::optional<Frame> next(std::chrono::nanoseconds timeout = forever,
                            const std::function<bool()>& on_signal = {},
                            std::chrono::microseconds spin = std::chrono::microseconds::zero());

  // The newest frame, seen before or not; waits, up to `timeout`, only while the stream has none. Throws as
  // next(). With Mode::latest, next() then goes on after it; with Mode::every, next() goes on where it was.
  std::optional<Frame> latest(std::chrono::nanoseconds timeout = std::chrono::seconds(5),
                              const std::function<bool()>& on_signal = {});

  // The frame with this sequence, if its slot has not been overwritten yet. Throws disconnected, lease_limit,
  // forked. Changes nothing about what next() returns.
  std::optional<Frame> find(uint64_t sequence);

  // The newest frame, once it shows the source as it was at `capture_ns` (CLOCK_MONOTONIC) or later: after an
  // action at that moment, a frame with its effect. Frame::confirmed_ns() is the proof. A frame that was
  // captured after the moment comes by itself; an unchanged source is not captured again but asked, through
  // the daemon, whether it has changed. A change that is held back by a rate cap is captured as soon as the
  // daemon's own max_fps allows. Waits up to `timeout`, for a moment in the future too; with none it takes
  // what is known already and asks nobody. `spin` is as in next(), and counts from the call. Throws, and
  // moves next(), as latest() does.
  std::optional<Frame> wait_until(uint64_t capture_ns,
                                  std::chrono::nanoseconds timeout = std::chrono::seconds(5),
                                  const std::function<bool()>& on_signal = {},
                                  std::chrono::microseconds spin = std::chrono::microseconds::zero());

  // Until when the newest frame is known to show the source (CLOCK_MONOTONIC, ns). With keepalive() above 0
  // it moves at least that often though nothing changes: where it has stood still for much longer, the source
  // hangs.
  uint64_t confirmed_ns() const;
  std::chrono::milliseconds keepalive() const;  // as the daemon is configured; 0 = only when asked

  // Of the desktop, now; false for what the daemon cannot know. Costs a load. A change makes wake_fd()
  // readable, but returns no frame.
  DesktopState state() const;
  // Where the frames' first pixel is on the desktop, now. A window's moves without new frames.
  Point position() const;
  // True while the newest frame shows what was last seen of a source that is hidden: a window that is
  // minimised, say. A change of it makes wake_fd() readable.
  bool stale() const;
  // Waits, up to `timeout`, until it is not stale; false if it still is. Throws, and calls `on_signal`, as
  // next().
  bool wait_live(std::chrono::nanoseconds timeout = forever, const std::function<bool()>& on_signal = {});

  // Published frames that next() skipped (Mode::latest) or came too late for (Mode::every).
  uint64_t missed() const noexcept;

  uint32_t width() const;   // pixels, of the newest epoch
  uint32_t height() const;  // pixels
  PixelFormat format() const;
  Memory memory() const;
  uint64_t epoch() const;
  uint32_t leases_held() const;  // with those on their way back
  std::chrono::milliseconds lease_time() const;
  const OpenOptions& options() const noexcept;

  // For event loops: a descriptor that stays the same for the stream's life. Readable once a frame or a
  // change of state came after arm(), when the daemon is gone, and after close(): arm(); if next(0) has
  // nothing, wait for the descriptor; drain() it; again. A lease that comes back by Frame::release_after()
  // makes nothing readable: open with more leases than frames on their way. Without OpenOptions::wake_fd the
  // first call attaches to the stream anew.
  int wake_fd();
  void arm();    // throws invalid_argument before wake_fd()
  void drain();  // throws invalid_argument before wake_fd()

  // False while the next call must ask the daemon for a new epoch, or another thread does: next() and
  // latest() may then take longer than their timeout, as long as the daemon takes to answer (5 s at most).
  bool is_current() const noexcept;

  // After stream_ended: attaches to the source again on the same connection. Throws unavailable while it is
  // gone.
  void reopen();

  // Wakes all waiters (they get disconnected). Idempotent. The daemon forgets the stream once the last frame
  // is released.
  void close() noexcept;

 private:
  std::shared_ptr<internal::StreamCore> core_;
};

}  // namespace framering
