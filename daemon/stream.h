// A named source and its newest epoch, shared between the pump (which makes epochs) and the sessions (which
// attach clients to them).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "daemon/byte_account.h"
#include "daemon/heartbeat.h"
#include "daemon/memory/pool.h"
#include "daemon/metrics.h"
#include "daemon/publisher.h"
#include "daemon/reader.h"
#include "daemon/reader_bells.h"
#include "daemon/ring.h"
#include "proto/message.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace framering::daemon {

struct StreamOptions {
  std::string source;  // the name that clients open
  uint32_t slot_count = proto::kDefaultSlots;
  uint32_t lease_ms = proto::kDefaultLeaseMs;
  double max_fps = 60;                     // 0 = as fast as the source changes
  uint32_t keepalive_ms = 0;               // how long nothing is said of an unchanged source; 0 = for ever
  std::shared_ptr<ByteAccount> account{};  // who pays for its memory; none: the daemon
  bool of_display = false;                 // it shows something of a display, which may be locked
};

// Everything that lives as long as someone reads this epoch.
struct Epoch {
  Geometry geometry;
  ByteCharge charge;  // for the pool
  std::unique_ptr<Pool> pool;
  std::unique_ptr<Ring> ring;
  ReaderTable readers;
  ReaderBells bells;  // of the readers: one looks again what is asked for
  Publisher publisher{readers};
};

class Stream;

// A client's hold on an epoch and its stream. Destroying it frees the leases.
class Attachment {
 public:
  Attachment(std::shared_ptr<Stream> stream, std::shared_ptr<Epoch> epoch, std::shared_ptr<Reader> reader);
  ~Attachment();
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;

  Stream& stream() const { return *stream_; }
  const Epoch& epoch() const { return *epoch_; }
  const Reader& reader() const { return *reader_; }

  // The client cannot ask for frames any more: its leases hold until it is dead, but nothing is captured for
  // it.
  void unsubscribe();

 private:
  const std::shared_ptr<Stream> stream_;
  std::shared_ptr<Epoch> epoch_;
  std::shared_ptr<Reader> reader_;
};

// Any thread.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  static proto::Result<std::shared_ptr<Stream>> create(StreamOptions options);

  const StreamOptions& options() const { return options_; }

  // Sessions. kUnavailable, with the reason, while the source is gone.
  proto::Result<std::unique_ptr<Attachment>> attach(const ReaderOptions& options);
  proto::StreamInfo info() const;  // without clients
  uint64_t memory_bytes() const;   // of the newest epoch's ring
  // The attachments, to whichever epoch, that ask for frames.
  uint32_t subscribers() const { return subscribers_.load(); }
  // Before the first attach(). Called by the thread that attached or let go, after each change of
  // subscribers().
  void on_subscribers(std::function<void()> changed) { subscribers_changed_ = std::move(changed); }

  // Called by the pump after each set_epoch() and set_unavailable().
  void on_state(std::function<void()> changed);

  // The watchdog. Whether the pump and the publisher have answered since they were last asked; they answer
  // when they come round, which they are woken for.
  void ask_for_life();
  bool is_alive() const;

  // Pump.
  void set_epoch(std::shared_ptr<Epoch> epoch);
  void set_unavailable(std::string reason);
  // True, and the ring's newest frame is retracted, if nobody subscribes to the epoch; atomic against
  // attach().
  bool pause_if_unused(Epoch& epoch);
  // The rate that the subscribers ask for together, capped by the stream's own; 0 = no cap.
  double wanted_fps(const Epoch& epoch) const;
  // A subscriber wants to know where the pointer is.
  bool wants_cursor(const Epoch& epoch) const;

  // Any thread. Of the kDesktop... bits in `mask` these hold now and the others do not; the pump tells the
  // readers, of this epoch and of all that follow.
  void set_desktop_state(uint32_t mask, uint32_t bits);
  uint32_t desktop_state() const { return desktop_state_.load(); }
  // Locked, or another session's turn: nothing is captured, and there is no frame to read.
  bool is_hidden() const { return (desktop_state() & (proto::kDesktopLocked | proto::kDesktopAway)) != 0; }

  // Any thread. The stream goes on in new memory, under a new epoch: whoever may not attach to it again gets
  // no new byte.
  void renew();
  bool take_renewal() { return renewal_.exchange(false); }  // pump
  // Any thread. A source that could not be opened may be there now.
  void retry();
  bool take_retry() { return retry_.exchange(false); }  // pump

  // Readable when subscribers came or went, or wake_pump() was called; drained by the pump each time that it
  // comes round, which is its sign of life.
  int wake_fd() const { return wake_fd_.get(); }
  void wake_pump();
  void drain_wake_fd();

  std::atomic<uint64_t> captures{0};
  std::atomic<uint64_t> published{0};
  std::atomic<uint64_t> dropped{0};
  StreamMetrics metrics;

 private:
  friend class Attachment;

  explicit Stream(StreamOptions options) : options_(std::move(options)) {}
  void count_subscribers(int change);

  const StreamOptions options_;
  proto::UniqueFd wake_fd_;
  Heartbeat pump_heartbeat_;
  std::atomic<bool> renewal_{false};
  std::atomic<bool> retry_{false};
  std::atomic<uint32_t> desktop_state_{0};
  std::atomic<uint32_t> subscribers_{0};
  std::function<void()> subscribers_changed_;
  mutable std::mutex mutex_;
  std::shared_ptr<Epoch> epoch_;
  std::string unavailable_ = "the source is not open yet";
  std::function<void()> state_changed_;
};

}  // namespace framering::daemon
