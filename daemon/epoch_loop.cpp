#include "daemon/epoch_loop.h"

#include <algorithm>
#include <utility>

#include "daemon/wait.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;

namespace {

// Leases end without a message, so a starved pump looks again.
constexpr uint64_t kSlotRetryNs = 1'000'000;

}  // namespace

EpochLoop::EpochLoop(Stream& stream, Source& source, Epoch& epoch, const std::atomic<bool>& stopping)
    : stream_(stream),
      source_(source),
      epoch_(epoch),
      ring_(*epoch.ring),
      stopping_(stopping),
      last_full_ns_(now_ns()) {}

Ending EpochLoop::run() {
  while (!stopping_) {
    stream_.drain_wake_fd();
    if (stream_.pause_if_unused(epoch_)) {
      dirty_ = must_publish_ = true;
      waited_for_ = false;
      wait_for_fds(stream_.wake_fd(), source_.event_fd(), /*want_input=*/false, kNever);
      if (!has_hung_up(source_.event_fd())) continue;
    }
    if (auto ending = look()) return *std::move(ending);
    // Who waits for a frame gets it as soon as the stream's own cap allows, whatever rate the readers want.
    pacer_.set_fps(waited_for_ ? stream_.options().max_fps : stream_.wanted_fps(epoch_));
    const uint64_t due_ns = dirty_ ? pacer_.due_ns() : std::max(safety_ns(), pacer_.due_ns());
    const uint64_t now = now_ns();
    if (due_ns > now) {
      wait(std::min(due_ns, next_look_ns()));
      continue;
    }
    if (auto ending = capture(now)) return *std::move(ending);
  }
  return {Ending::Kind::kStopped};
}

std::optional<Ending> EpochLoop::look() {
  const uint64_t now = now_ns();
  const bool confirming =
      now >= next_confirmation_ns_ && epoch_.confirmation_wanted.exchange(false) && confirmation_is_wanted();
  // A frame that is to be captured anyway answers as well.
  if (confirming && !dirty_) {
    next_confirmation_ns_ = now + kConfirmationIntervalNs;
    if (auto synced = source_.sync(); !synced) return lost(synced.error());
  }
  const auto events = source_.poll();
  if (!events) return lost(events.error());
  if (events->geometry) {
    const auto geometry = source_.geometry();
    if (!geometry) return lost(geometry.error());
    if (*geometry != epoch_.geometry) return Ending{Ending::Kind::kGeometry, *geometry};
    dirty_ = true;
  }
  dirty_ |= events->changed;
  if (events->stale != std::exchange(stale_, events->stale)) {
    ring_.set_stale(stale_);
    epoch_.publisher.notify();
  }
  if (confirming && dirty_) waited_for_ = true;
  if (confirming && !dirty_) confirm(now);
  return std::nullopt;
}

bool EpochLoop::confirmation_is_wanted() const {
  const auto readers = epoch_.readers.snapshot();
  return std::any_of(readers->begin(), readers->end(), [this](const ReaderEntry& entry) {
    return entry.reader->asked_ns.load() > ring_.confirmed_ns();
  });
}

void EpochLoop::confirm(uint64_t until_ns) {
  ring_.confirm(until_ns);
  epoch_.publisher.notify_confirmed(until_ns);
}

uint64_t EpochLoop::safety_ns() const {
  return safety_pending_ ? last_full_ns_ + kSafetyIntervalNs : kNever;
}

uint64_t EpochLoop::next_look_ns() const {
  return epoch_.confirmation_wanted.load() ? next_confirmation_ns_ : kNever;
}

std::optional<Ending> EpochLoop::capture(uint64_t now) {
  const auto readers = epoch_.readers.snapshot();
  const auto slot = ring_.begin_write(*readers, now);
  if (!slot) {
    if (pacer_.missed(now)) {
      ring_.count_drop(*readers);
      stream_.dropped.fetch_add(1);
    }
    wait_for_fds(stream_.wake_fd(), -1, false, now + kSlotRetryNs);
    return std::nullopt;
  }
  const bool full = safety_ns() <= now;
  const auto captured = source_.capture(epoch_.pool->surface_of(*slot),
                                        full ? Source::Request::kFull : Source::Request::kChanged);
  if (!captured) {
    ring_.abandon(*slot);
    // A change of geometry in mid-capture: poll() tells of it next.
    if (captured.error().code == ErrorCode::kInvalidArgument) return std::nullopt;
    return lost(captured.error());
  }
  stream_.captures.fetch_add(1);
  pacer_.captured(now);
  dirty_ = waited_for_ = false;
  const bool was_pending = safety_pending_;
  safety_pending_ = !full && source_.wants_safety_frames() && (was_pending || !captured->damage.empty());
  if (full || (safety_pending_ && !was_pending)) last_full_ns_ = now;
  if (captured->damage.empty() && !must_publish_) {
    ring_.abandon(*slot);
    confirm(captured->requested_ns);
    return std::nullopt;
  }
  if (auto committed = epoch_.pool->commit(*slot, captured->damage); !committed) {
    ring_.abandon(*slot);
    return lost(committed.error());
  }
  stream_.published.fetch_add(1);  // who has the frame finds it counted
  ring_.publish(*slot, *captured, now_ns());
  epoch_.publisher.notify();
  must_publish_ = false;
  return std::nullopt;
}

Ending EpochLoop::lost(const Error& error) const {
  if (stopping_) return {Ending::Kind::kStopped};
  return {Ending::Kind::kLost, {}, error.text()};
}

void EpochLoop::wait(uint64_t deadline_ns) {
  wait_for_fds(stream_.wake_fd(), source_.event_fd(), /*want_input=*/true, deadline_ns);
}

}  // namespace framering::daemon
