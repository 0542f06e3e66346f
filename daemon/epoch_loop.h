// Serves one epoch: waits for change, keeps the rate, captures, publishes, and confirms an unchanged frame to
// whoever waits for a newer one. Pump thread; never waits for a client.
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
  std::optional<Ending> capture(uint64_t now);
  Ending lost(const proto::Error& error) const;

  bool confirmation_is_wanted() const;
  void confirm(uint64_t until_ns);
  uint64_t safety_ns() const;
  uint64_t next_look_ns() const;
  void wait(uint64_t deadline_ns);

  Stream& stream_;
  Source& source_;
  Epoch& epoch_;
  Ring& ring_;
  const std::atomic<bool>& stopping_;

  Pacer pacer_;
  bool dirty_ = true;
  bool must_publish_ = true;     // the first frame, and the first after a pause, even if nothing changed
  bool safety_pending_ = false;  // something was captured by damage alone since the last full capture
  // When all was captured last, or what came after it began to be captured by damage alone.
  uint64_t last_full_ns_;
  bool stale_ = false;       // as the control page says
  bool waited_for_ = false;  // somebody wants the frame that is due
  uint64_t next_confirmation_ns_ = 0;
};

}  // namespace framering::daemon
