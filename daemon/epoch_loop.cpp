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
constexpr uint64_t kMillisecondNs = 1'000'000;

}  // namespace

EpochLoop::EpochLoop(Stream& stream, Source& source, Epoch& epoch, const std::atomic<bool>& stopping)
    : stream_(stream),
      source_(source),
      epoch_(epoch),
      ring_(*epoch.ring),
      stopping_(stopping),
      last_full_ns_(now_ns()),
      desktop_state_(ring_.control()->desktop.load()) {}

Ending EpochLoop::run() {
  while (!stopping_) {
    stream_.drain_wake_fd();
    const bool renewed = stream_.take_renewal();
    tell_desktop_state();  // also what was set before the renewal: readers of this epoch look at this page
    if (renewed) return {Ending::Kind::kGeometry, epoch_.geometry};
    if (stream_.pause_if_unused(epoch_)) {
      pause(/*want_events=*/false);
      if (!has_hung_up(source_.event_fd())) continue;
    }
    if (stream_.is_hidden()) {
      ring_.retract();
      if (auto ending = take_events()) return *std::move(ending);
      pause(/*want_events=*/true);
      continue;
    }
    if (auto ending = look()) return *std::move(ending);
    // Who waits for a frame gets it as soon as the stream's own cap allows, whatever rate the readers want.
    pacer_.set_fps(waited_for_ ? stream_.options().max_fps : stream_.wanted_fps(epoch_));
    const uint64_t due_ns = dirty_ ? pacer_.due_ns() : std::max(safety_ns(), pacer_.due_ns());
    const uint64_t now = now_ns();
    if (due_ns > now) {
      // A bell that cannot be answered yet is not listened to.
      const int bells = rung_ ? kNoFd : epoch_.bells.fd();
      wait_for_fds({stream_.wake_fd(), source_.event_fd(), bells}, std::min(due_ns, next_look_ns()));
      continue;
    }
    if (auto ending = capture(now)) return *std::move(ending);
  }
  return {Ending::Kind::kStopped};
}

void EpochLoop::pause(bool want_events) {
  dirty_ = must_publish_ = true;
  waited_for_ = follows_cursor_ = false;
  ring_.set_cursor(std::nullopt);
  const int events = want_events ? source_.event_fd() : kNoFd;
  wait_for_fds({stream_.wake_fd(), events}, kNever, source_.event_fd());
  dirty_since_ns_ = now_ns();
}

void EpochLoop::tell_desktop_state() {
  const uint32_t bits = stream_.desktop_state();
  if (bits == std::exchange(desktop_state_, bits)) return;
  ring_.set_desktop_state(bits);
  epoch_.publisher.notify();
}

void EpochLoop::set_dirty() {
  if (!std::exchange(dirty_, true)) dirty_since_ns_ = now_ns();
}

std::optional<Ending> EpochLoop::look() {
  // The clock after the bells: a wish is stored, and its moment has come, before its bell rings.
  rung_ |= epoch_.bells.take();
  const uint64_t now = now_ns();
  const bool confirming = confirmation_is_wanted(now);
  if (auto ending = follow_cursor(confirming ? kNever : now)) return ending;
  // A frame that is to be captured anyway answers as well.
  if (confirming && !dirty_) {
    if (auto synced = source_.sync(); !synced) return lost(synced.error());
  }
  if (auto ending = take_events()) return ending;
  if (confirming && dirty_) waited_for_ = true;
  if (confirming && !dirty_) confirm(now);
  return std::nullopt;
}

std::optional<Ending> EpochLoop::take_events() {
  const auto events = source_.poll();
  if (!events) return lost(events.error());
  if (events->geometry) {
    const auto geometry = source_.geometry();
    if (!geometry) return lost(geometry.error());
    if (*geometry != epoch_.geometry) return Ending{Ending::Kind::kGeometry, *geometry};
    set_dirty();
  }
  if (events->changed) set_dirty();
  if (events->moved) {
    const auto position = source_.position();
    if (!position) return lost(position.error());
    if (*position) ring_.set_position(**position);
  }
  if (events->stale != std::exchange(stale_, events->stale)) {
    ring_.set_stale(stale_);
    epoch_.publisher.notify();
  }
  stream_.set_desktop_state(proto::kDesktopBlanked, events->blanked ? proto::kDesktopBlanked : 0);
  tell_desktop_state();
  return std::nullopt;
}

// `now` is kNever where it has to be asked for whatever the time. A source that paints it says by poll() then
// that it wants a capture.
std::optional<Ending> EpochLoop::follow_cursor(uint64_t now) {
  const bool wanted = source_.paints_cursor() || (source_.has_cursor() && stream_.wants_cursor(epoch_));
  if (!std::exchange(follows_cursor_, wanted) || now == kNever) next_cursor_ns_ = 0;
  if (!wanted) {
    ring_.set_cursor(std::nullopt);
    return std::nullopt;
  }
  if (now < next_cursor_ns_) return std::nullopt;
  next_cursor_ns_ = now_ns() + std::max(pacer_.interval_ns(), kCursorIntervalNs);
  const auto cursor = source_.cursor();
  if (!cursor) return lost(cursor.error());
  if (ring_.set_cursor(*cursor)) epoch_.publisher.notify_cursor();
  return std::nullopt;
}

bool EpochLoop::confirmation_is_wanted(uint64_t now) {
  const bool answering = now >= next_confirmation_ns_ && std::exchange(rung_, false);
  const bool wanted = (answering && somebody_asks(now)) || (!dirty_ && now >= keepalive_ns());
  // Also after a bell that was rung for nothing.
  if (answering || wanted) next_confirmation_ns_ = now + kConfirmationIntervalNs;
  return wanted;
}

bool EpochLoop::somebody_asks(uint64_t now) {
  const auto readers = epoch_.readers.snapshot();
  bool asks = false;
  for (const ReaderEntry& entry : *readers) asks |= entry.reader->has_wish(ring_.confirmed_ns(), now);
  return asks;
}

void EpochLoop::confirm(uint64_t until_ns) {
  ring_.confirm(until_ns);
  epoch_.publisher.notify_confirmed(until_ns);
}

uint64_t EpochLoop::safety_ns() const {
  return safety_pending_ ? last_full_ns_ + kSafetyIntervalNs : kNever;
}

uint64_t EpochLoop::keepalive_ns() const {
  const uint64_t keepalive_ms = stream_.options().keepalive_ms;
  return keepalive_ms > 0 ? ring_.confirmed_ns() + keepalive_ms * kMillisecondNs : kNever;
}

uint64_t EpochLoop::next_look_ns() const {
  uint64_t next = follows_cursor_ ? next_cursor_ns_ : kNever;
  if (rung_) next = std::min(next, next_confirmation_ns_);
  // What is to be captured anyway says enough.
  if (!dirty_) next = std::min(next, keepalive_ns());
  return next;
}

std::optional<Ending> EpochLoop::capture(uint64_t now) {
  const auto readers = epoch_.readers.snapshot();
  const auto slot = ring_.begin_write(*readers, now);
  if (!slot) {
    if (pacer_.missed(now)) {
      ring_.count_drop(*readers);
      stream_.dropped.fetch_add(1);
    }
    wait_for_fds({stream_.wake_fd()}, now + kSlotRetryNs);
    return std::nullopt;
  }
  const bool full = safety_ns() <= now;
  epoch_.publisher.expect();
  const auto captured = source_.capture(epoch_.pool->surface_of(*slot),
                                        full ? Source::Request::kFull : Source::Request::kChanged);
  if (!captured) {
    ring_.abandon(*slot);
    // A change of geometry in mid-capture: poll() tells of it next.
    if (captured.error().code == ErrorCode::kInvalidArgument) return std::nullopt;
    return lost(captured.error());
  }
  if (stream_.is_hidden()) {  // since it was begun: nobody gets to see it, and the next one shows all
    ring_.abandon(*slot);
    safety_pending_ = true;
    last_full_ns_ = 0;
    return std::nullopt;
  }
  stream_.captures.fetch_add(1);
  stream_.metrics.captured(*captured, epoch_.geometry);
  stream_.metrics.count_round_trips(source_.round_trips());
  pacer_.captured(now, dirty_ ? dirty_since_ns_ : now);
  dirty_ = waited_for_ = false;
  const bool was_pending = safety_pending_;
  safety_pending_ = !full && source_.wants_safety_frames() && (was_pending || !captured->damage.empty());
  if (full || (safety_pending_ && !was_pending)) last_full_ns_ = now;
  if (captured->damage.empty() && !must_publish_) {
    ring_.abandon(*slot);
    confirm(captured->requested_ns);
    return std::nullopt;
  }
  return publish(*slot, *captured);
}

std::optional<Ending> EpochLoop::publish(uint32_t slot, const CaptureInfo& captured) {
  if (auto committed = epoch_.pool->commit(slot, captured.damage); !committed) {
    ring_.abandon(slot);
    return lost(committed.error());
  }
  if (follows_cursor_ && source_.has_cursor()) {
    const auto cursor = source_.cursor();
    if (!cursor) {
      ring_.abandon(slot);
      return lost(cursor.error());
    }
    ring_.set_cursor(*cursor);
  }
  stream_.published.fetch_add(1);  // who has the frame finds it counted
  const uint64_t committed_ns = now_ns();
  ring_.publish(slot, captured, committed_ns);
  epoch_.publisher.notify();
  stream_.metrics.published(captured, committed_ns, now_ns());
  must_publish_ = false;
  return std::nullopt;
}

Ending EpochLoop::lost(const Error& error) const {
  if (stopping_) return {Ending::Kind::kStopped};
  return {Ending::Kind::kLost, {}, error.text()};
}

}  // namespace framering::daemon
