// How a stream finds, leases and waits for frames. The public Stream is a handle on this.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "client/src/connection_core.h"
#include "client/src/epoch_mapping.h"
#include "client/src/wake_set.h"
#include "framering/frame.h"
#include "framering/types.h"
#include "proto/lease.h"
#include "proto/shm_layout.h"

namespace framering::internal {

using OnSignal = std::function<bool()>;

// Any thread. `deadline_ns` is CLOCK_MONOTONIC; kNever waits for ever.
class StreamCore {
 public:
  StreamCore(std::shared_ptr<ConnectionCore> connection, const OpenOptions& options);
  ~StreamCore() { close(); }

  std::optional<Frame> next(uint64_t deadline_ns, const OnSignal& on_signal, uint64_t spin_ns);
  std::optional<Frame> latest(uint64_t deadline_ns, const OnSignal& on_signal);
  std::optional<Frame> find(uint64_t sequence);
  std::optional<Frame> wait_until(uint64_t capture_ns, uint64_t deadline_ns, const OnSignal& on_signal,
                                  uint64_t spin_ns);
  // Until when the source is known to show the newest frame.
  uint64_t confirmed_ns() const { return proto::newest(mapping()->control()).confirmed_ns; }
  uint32_t desktop_state() const { return mapping()->control().desktop.load(); }  // kDesktop... bits
  proto::DesktopPoint position() const {
    return proto::DesktopPoint::unpack(mapping()->control().position.load(std::memory_order_relaxed));
  }
  bool is_stale() const;
  bool wait_live(uint64_t deadline_ns, const OnSignal& on_signal);
  void reopen();
  bool is_current() const;
  void close() noexcept;

  int wake_fd();
  void arm() const;
  void drain() const;

  uint64_t missed() const { return missed_.load(std::memory_order_relaxed); }
  const OpenOptions& options() const { return options_; }
  EpochInfo info() const { return mapping()->info(); }
  uint32_t leases_held() const;

 private:
  // What a call may return: a frame that next() has not returned yet, or the newest one that is confirmed at
  // this moment.
  struct Want {
    bool unseen = false;
    uint64_t confirmed_ns = 0;
    uint64_t spin_ns = 0;
  };

  std::shared_ptr<EpochMapping> mapping() const;
  std::shared_ptr<EpochMapping> open_epoch(bool wake_pipe) const;
  void attach(std::shared_ptr<EpochMapping> mapping);  // locked
  const WakeSet& wake_set() const;                     // locked; throws before wake_fd()
  std::optional<Frame> wait_for(const Want& want, uint64_t deadline_ns, const OnSignal& on_signal);
  // What is there now, or nothing, perhaps for want of a lease that is on its way back; follows a superseded
  // epoch. Throws what ends the waiting.
  struct Taken {
    std::optional<Frame> frame{};
    bool lacks_lease = false;
  };
  Taken take(const Want& want);
  // What to return now, or nothing.
  struct Choice {
    proto::FrameRef frame{};
    uint64_t confirmed_ns = 0;
    uint64_t cursor = 0;  // CursorRef; 0 = as the frame says
  };
  // Newer than `gone`.
  Choice choose(const Want& want, uint64_t gone) const;
  Choice choose_next(const Choice& newest, uint64_t gone) const;
  bool is_news(const Choice& newest) const;
  std::optional<Frame> lease(const Choice& chosen, uint32_t lease_index) const;
  std::optional<Cursor> to_cursor(uint64_t word) const;
  Choice look(const EpochMapping& mapping) const;
  [[noreturn]] void raise_lease_limit() const;
  // What the control page says, or why nothing can be read any more; locked.
  proto::StreamState usable_state() const;
  void follow_or_raise();
  // Returns when take() may find something, or then.
  void watch(const EpochMapping& mapping, const Want& want, uint64_t until_ns) const;
  // Of what next() returns: what it skipped, and when it may return again.
  void count_missed(uint64_t sequence);
  void pace(const Frame& frame);
  bool sleep_on(EpochMapping& mapping, uint32_t word, uint64_t deadline_ns, const OnSignal& on_signal);
  void check_usable() const;

  const std::shared_ptr<ConnectionCore> connection_;
  const OpenOptions options_;
  const uint64_t interval_ns_;  // of max_fps; 0 = none
  std::atomic<bool> closed_{false};
  std::atomic<uint32_t> sleepers_{0};
  std::atomic<uint64_t> missed_{0};

  mutable std::mutex mutex_;
  std::shared_ptr<EpochMapping> mapping_;             // null once closed
  std::vector<std::weak_ptr<EpochMapping>> earlier_;  // whose frames may still be held
  std::optional<WakeSet> wake_set_;                   // with OpenOptions::wake_fd, or since wake_fd()
  uint64_t last_sequence_ = 0;                        // the newest frame that next() has returned
  uint64_t last_cursor_ = 0;                          // CursorRef that it has returned
  uint64_t due_ns_ = 0;                               // when it may return the next one, by max_fps
};

}  // namespace framering::internal
