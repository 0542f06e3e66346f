// Serves one epoch: waits for change, keeps the rate, captures, publishes, follows the pointer, and confirms
// an unchanged frame to whoever waits for a newer one. Pump thread; never waits for a client.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "daemon/capture/source.h"
#include "daemon/pacer.h"
#include "daemon/stream.h"
#include "proto/result.h"

namespace framering::daemon {

// While anything changes, a source that can miss changes is captured whole this often.
inline constexpr uint64_t kSafetyIntervalNs = 5'000'000'000;
// However many clients ask, a source is asked this often at most whether anything has changed.
inline constexpr uint64_t kConfirmationIntervalNs = 500'000;
// While somebody follows the pointer, it is asked for at the stream's rate, but no more often than this.
inline constexpr uint64_t kCursorIntervalNs = 8'000'000;

// Why an epoch has to end.
struct Ending {
  enum class Kind { kStopped, kGeometry, kLost } kind;
  Geometry geometry{};   // kGeometry
  std::string reason{};  // kLost
};

class EpochLoop {
 public:
  // All outlive the loop.
  EpochLoop(Stream& stream, Source& source, Epoch& epoch, const std::atomic<bool>& stopping);

  Ending run();

 private:
  // Each returns why the epoch has to end, or nothing.
  std::optional<Ending> look();
  std::optional<Ending> take_events();
  std::optional<Ending> follow_cursor(uint64_t now);
  std::optional<Ending> capture(uint64_t now);
  std::optional<Ending> publish(uint32_t slot, const CaptureInfo& captured);
  Ending lost(const proto::Error& error) const;

  void pause(bool want_events);
  void tell_desktop_state();
  void set_dirty();
  bool confirmation_is_wanted(uint64_t now);
  bool somebody_asks(uint64_t now);
  void confirm(uint64_t until_ns);
  uint64_t safety_ns() const;
  uint64_t keepalive_ns() const;
  // When to look again though nothing happens.
  uint64_t next_look_ns() const;

  Stream& stream_;
  Source& source_;
  Epoch& epoch_;
  Ring& ring_;
  const std::atomic<bool>& stopping_;

  Pacer pacer_;
  bool dirty_ = true;
  uint64_t dirty_since_ns_ = 0;
  bool must_publish_ = true;     // the first frame, and the first after a pause, even if nothing changed
  bool safety_pending_ = false;  // something was captured by damage alone since the last full capture
  // When all was captured last, or what came after it began to be captured by damage alone.
  uint64_t last_full_ns_;
  bool stale_ = false;       // as the control page says
  uint32_t desktop_state_;   // as the control page says
  bool waited_for_ = false;  // somebody wants the frame that is due
  bool rung_ = false;        // a reader's bell, since it was last asked what the readers want
  uint64_t next_confirmation_ns_ = 0;
  bool follows_cursor_ = false;
  uint64_t next_cursor_ns_ = 0;
};

}  // namespace framering::daemon
