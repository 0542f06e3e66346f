#include "client/src/stream_core.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "client/src/errors.h"
#include "client/src/frame_state.h"
#include "client/src/wait_linux.h"
#include "framering/error.h"
#include "proto/lease.h"
#include "proto/relax.h"

namespace framering::internal {

using proto::Acquire;
using proto::FrameRef;
using proto::StreamState;

namespace {

// How often a slot that the daemon is deciding about is looked at again before its frame counts as gone: the
// decision takes the daemon about a microsecond, unless it is preempted in the middle.
constexpr int kMarkedLooks = 1000;
// A look at the clock may cost more than one at the control page.
constexpr int kLooksAClock = 16;
// A device that gives a lease back wakes nobody. Where no work comes before that it takes a few microseconds,
// which are worth no sleep.
constexpr uint64_t kLeaseWatchNs = 20'000;
constexpr uint64_t kLeasePollNs = 100'000;
// A signal that comes just before the sleep interrupts nothing.
constexpr uint64_t kSignalPollNs = 1'000'000'000;

proto::OpenRequest make_request(const OpenOptions& options, bool wake_pipe) {
  return {options.source,
          static_cast<proto::MemoryKind>(options.memory),
          static_cast<uint16_t>(options.max_leases),
          options.max_fps,
          wake_pipe,
          static_cast<proto::CursorMode>(options.cursor)};
}

StreamState state_of(const EpochMapping& mapping) {
  return static_cast<StreamState>(mapping.control().state.load(std::memory_order_seq_cst));
}

void wake_sleepers(const EpochMapping& mapping) {
  std::atomic<uint32_t>& word = mapping.lease_page().wake_word;
  word.fetch_add(1, std::memory_order_seq_cst);
  wake_all(word);
}

void check_options(const OpenOptions& options) {
  if (options.max_leases < 1 || options.max_leases > proto::kMaxLeases) {
    throw Error(ErrorCode::invalid_argument, "max_leases is " + std::to_string(options.max_leases) +
                                                 ": it is 1 to " + std::to_string(proto::kMaxLeases));
  }
  if (!(options.max_fps >= 0 && options.max_fps <= proto::kMaxFps)) {
    throw Error(ErrorCode::invalid_argument,
                "max_fps is out of range: it is above 0 and at most 1000, or 0 for no cap");
  }
  if (options.cursor > CursorMode::embedded) {
    throw Error(ErrorCode::invalid_argument, "cursor is no CursorMode");
  }
}

}  // namespace

StreamCore::StreamCore(std::shared_ptr<ConnectionCore> connection, const OpenOptions& options)
    : connection_(std::move(connection)),
      options_((check_options(options), options)),
      interval_ns_(options.max_fps > 0 ? static_cast<uint64_t>(1e9 / options.max_fps) : 0) {
  if (options_.wake_fd) wake_set_ = value_or_raise(WakeSet::make());
  attach(open_epoch(wake_set_.has_value()));
}

std::shared_ptr<EpochMapping> StreamCore::open_epoch(bool wake_pipe) const {
  return value_or_raise(EpochMapping::open(connection_, make_request(options_, wake_pipe),
                                           {options_.device, options_.writable}));
}

void StreamCore::attach(std::shared_ptr<EpochMapping> mapping) {
  if (wake_set_) {
    value_or_raise(wake_set_->watch(mapping->wake_pipe()));
    // Whoever armed the epoch before is about to look at this one.
    if (mapping_) mapping->lease_page().armed.store(1, std::memory_order_seq_cst);
  }
  std::erase_if(earlier_, [](const auto& one) { return one.expired(); });
  if (mapping_) earlier_.push_back(mapping_);
  mapping_ = std::move(mapping);
}

uint32_t StreamCore::leases_held() const {
  std::lock_guard lock(mutex_);
  uint32_t count = mapping_ ? mapping_->leases_taken() : 0;
  for (const auto& one : earlier_) {
    if (const auto mapping = one.lock()) count += mapping->leases_taken();
  }
  return count;
}

std::shared_ptr<EpochMapping> StreamCore::mapping() const {
  std::lock_guard lock(mutex_);
  if (!mapping_) throw Error(ErrorCode::disconnected, "the stream was closed");
  return mapping_;
}

std::optional<Frame> StreamCore::next(uint64_t deadline_ns, const OnSignal& on_signal, uint64_t spin_ns) {
  return wait_for({.unseen = true, .spin_ns = spin_ns}, deadline_ns, on_signal);
}

std::optional<Frame> StreamCore::latest(uint64_t deadline_ns, const OnSignal& on_signal) {
  return wait_for({}, deadline_ns, on_signal);
}

std::optional<Frame> StreamCore::wait_until(uint64_t capture_ns, uint64_t deadline_ns,
                                            const OnSignal& on_signal, uint64_t spin_ns) {
  return wait_for({.confirmed_ns = capture_ns, .spin_ns = spin_ns}, deadline_ns, on_signal);
}

void StreamCore::check_usable() const {
  if (!connection_->in_own_process()) {
    throw Error(ErrorCode::forked, "this stream was opened by another process", "connect again after fork()");
  }
  if (closed_.load()) throw Error(ErrorCode::disconnected, "the stream was closed");
}

std::optional<Frame> StreamCore::wait_for(const Want& want, uint64_t deadline_ns, const OnSignal& on_signal) {
  check_usable();
  const uint64_t spin_end_ns = want.spin_ns > 0 ? now_ns() + want.spin_ns : 0;
  std::shared_ptr<EpochMapping> asked;  // whose daemon knows what is wanted
  for (bool has_watched = false;;) {
    Taken taken = take(want);
    if (taken.frame) return std::move(taken.frame);
    const uint64_t now = now_ns();
    if (now >= deadline_ns) return std::nullopt;
    const auto mapping = this->mapping();
    if (taken.lacks_lease && !std::exchange(has_watched, true)) {
      mapping->watch_for_lease(std::min(deadline_ns, now + kLeaseWatchNs));
      continue;
    }
    if (want.confirmed_ns > 0 && want.confirmed_ns <= now && asked != mapping) {
      mapping->ask_confirmation(want.confirmed_ns);
      asked = mapping;
    }
    if (now < spin_end_ns) {
      const uint64_t askable_ns = now < want.confirmed_ns ? want.confirmed_ns : deadline_ns;
      watch(*mapping, want, std::min({deadline_ns, spin_end_ns, askable_ns}));
      continue;
    }
    proto::LeasePage& page = mapping->lease_page();
    // The eventcount: say that we wait, look once more, sleep only if nothing came in between.
    const uint32_t word = page.wake_word.load(std::memory_order_seq_cst);
    page.waiting.store(1, std::memory_order_seq_cst);
    taken = take(want);
    if (taken.frame) return std::move(taken.frame);
    uint64_t until_ns = deadline_ns;
    if (now < want.confirmed_ns) until_ns = std::min(until_ns, want.confirmed_ns);
    if (want.unseen && interval_ns_ > 0) {
      // A frame that is there but not due yet is looked at again when it is.
      std::lock_guard lock(mutex_);
      if (is_news(look(*mapping))) until_ns = std::min(until_ns, due_ns_);
    }
    if (taken.lacks_lease) until_ns = std::min(until_ns, now + kLeasePollNs);
    if (!sleep_on(*mapping, word, until_ns, on_signal)) return std::nullopt;
  }
}

void StreamCore::watch(const EpochMapping& mapping, const Want& want, uint64_t until_ns) const {
  uint64_t known = 0;
  uint64_t known_cursor = 0;
  {
    std::lock_guard lock(mutex_);
    known = last_sequence_;
    known_cursor = last_cursor_;
  }
  const auto has_come = [&](const Choice& newest) {
    if (!want.unseen) return newest.frame && newest.confirmed_ns >= want.confirmed_ns;
    return newest.frame.sequence > known || newest.cursor != known_cursor;
  };
  do {
    for (int looks = 0; looks < kLooksAClock; ++looks) {
      const StreamState state = state_of(mapping);
      if (has_come(look(mapping)) || closed_.load() || connection_->lost() ||
          (state != StreamState::kLive && state != StreamState::kStale)) {
        return;
      }
      proto::relax();
    }
  } while (now_ns() < until_ns);
}

bool StreamCore::sleep_on(EpochMapping& mapping, uint32_t word, uint64_t deadline_ns,
                          const OnSignal& on_signal) {
  std::atomic<uint32_t>& wake_word = mapping.lease_page().wake_word;
  sleepers_.fetch_add(1);
  const Woken woken =
      wait_on(wake_word, word, on_signal ? std::min(deadline_ns, now_ns() + kSignalPollNs) : deadline_ns);
  // The daemon wakes one; whoever else of us sleeps is ours to wake.
  if (sleepers_.fetch_sub(1) > 1 && woken == Woken::kWoken) wake_all(wake_word);
  return woken == Woken::kWoken || !on_signal || on_signal();
}

StreamState StreamCore::usable_state() const {
  check_usable();
  const bool lost = connection_->lost();
  const StreamState state = state_of(*mapping_);
  // A daemon that stops says so in the page, and only then hangs up.
  if (lost && state != StreamState::kEnded) {
    throw Error(ErrorCode::disconnected, "the connection to frameringd is lost",
                "connect again once it is back");
  }
  return state;
}

StreamCore::Taken StreamCore::take(const Want& want) {
  std::lock_guard lock(mutex_);
  uint64_t gone = 0;  // frames up to this one cannot be had any more
  for (;;) {
    const StreamState state = usable_state();
    // In order, what the old epoch still holds comes before the new one; the newest frame is never an old
    // epoch's.
    const bool drain = want.unseen && options_.mode == Mode::every;
    const bool lives = state == StreamState::kLive || state == StreamState::kStale;
    const Choice chosen = lives || drain ? choose(want, gone) : Choice{};
    if (!chosen.frame) {
      if (lives) return {};
      follow_or_raise();
      continue;
    }
    auto lease_index = mapping_->take_lease_index();
    if (!lease_index && mapping_->awaits_lease()) return {.lacks_lease = true};
    if (!lease_index) lease_index = mapping_->take_lease_index();  // the last may have come back just now
    if (!lease_index) raise_lease_limit();
    auto frame = lease(chosen, *lease_index);
    if (!frame) {
      gone = chosen.frame.sequence;
      continue;
    }
    if (want.unseen) count_missed(frame->sequence());
    if (want.unseen) pace(*frame);
    if (want.unseen || options_.mode == Mode::latest) {
      last_sequence_ = std::max(last_sequence_, frame->sequence());
      if (chosen.cursor != 0) last_cursor_ = chosen.cursor;
    }
    return {.frame = std::move(frame)};
  }
}

void StreamCore::count_missed(uint64_t sequence) {
  // Pacing passes frames over in order: those were not missed.
  const bool counts = last_sequence_ != 0 && (options_.mode == Mode::latest || interval_ns_ == 0);
  if (counts && sequence > last_sequence_) {
    missed_.fetch_add(sequence - last_sequence_ - 1, std::memory_order_relaxed);
  }
}

void StreamCore::pace(const Frame& frame) {
  const uint64_t shown_ns =
      frame.sequence() > last_sequence_ ? std::max(frame.capture_ns(), due_ns_) : now_ns();
  // On a grid, so that lateness does not add up; after a pause, a new one.
  due_ns_ = (shown_ns - due_ns_ < interval_ns_ ? due_ns_ : shown_ns) + interval_ns_;
}

StreamCore::Choice StreamCore::look(const EpochMapping& mapping) const {
  const proto::Newest newest = proto::newest(mapping.control());
  Choice choice{newest.frame, newest.confirmed_ns};
  if (options_.cursor != CursorMode::metadata) return choice;
  choice.cursor = mapping.control().cursor.load(std::memory_order_acquire);
  // Where there is a pointer, what it does is known with the first frame.
  if (choice.cursor == 0 && mapping.info().cursor_shapes > 0) choice.frame = {};
  return choice;
}

bool StreamCore::is_news(const Choice& newest) const {
  return newest.frame && (newest.frame.sequence > last_sequence_ || newest.cursor != last_cursor_);
}

StreamCore::Choice StreamCore::choose(const Want& want, uint64_t gone) const {
  const Choice newest = look(*mapping_);
  if (newest.frame.slot >= mapping_->info().slot_count || newest.frame.sequence <= gone) return {};
  if (want.unseen) return choose_next(newest, gone);
  return newest.confirmed_ns >= want.confirmed_ns ? newest : Choice{};
}

StreamCore::Choice StreamCore::choose_next(const Choice& newest, uint64_t gone) const {
  if (!is_news(newest) || (interval_ns_ > 0 && now_ns() < due_ns_)) return {};
  if (options_.mode == Mode::latest || last_sequence_ == 0) return newest;
  const auto after = [this](uint64_t sequence) {
    return proto::oldest_since(&mapping_->control(), mapping_->info().slot_count, sequence + 1);
  };
  FrameRef frame = after(std::max(last_sequence_, gone));
  // Paced: frames closer than the interval are passed over, but never the newest. A quarter of it is for the
  // unevenness of captures at the same rate.
  const uint64_t earliest_ns = due_ns_ - std::min(due_ns_, interval_ns_ / 4);
  while (frame && interval_ns_ > 0 && frame.sequence < newest.frame.sequence &&
         mapping_->slot(frame.slot).capture_requested_ns.load(std::memory_order_relaxed) < earliest_ns) {
    frame = after(frame.sequence);
  }
  if (!frame || frame.sequence >= newest.frame.sequence) return newest;
  return {frame};
}

std::optional<Frame> StreamCore::lease(const Choice& chosen, uint32_t lease_index) const {
  const FrameRef frame = chosen.frame;
  const proto::SlotHeader& slot = mapping_->slot(frame.slot);
  std::atomic<uint64_t>& word = mapping_->lease_page().leases[lease_index];
  Acquire outcome = Acquire::kMarked;
  for (int looks = 0; outcome == Acquire::kMarked && looks < kMarkedLooks; ++looks) {
    outcome = proto::acquire(slot, word, frame);
  }
  if (outcome != Acquire::kLeased) {
    mapping_->return_lease_index(lease_index);
    return std::nullopt;
  }
  auto state = std::make_unique<FrameState>(mapping_, lease_index, frame);
  constexpr auto relaxed = std::memory_order_relaxed;
  state->capture_ns = slot.capture_requested_ns.load(relaxed);
  state->capture_done_ns = slot.capture_done_ns.load(relaxed);
  state->published_ns = slot.published_ns.load(relaxed);
  state->confirmed_ns = std::max(state->capture_ns, chosen.confirmed_ns);
  state->position = proto::DesktopPoint::unpack(mapping_->control().position.load(relaxed));
  const uint32_t count = std::min(slot.damage_count.load(relaxed), proto::kMaxDamageRects);
  state->damage.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    const auto rect = proto::DamageRect::unpack(slot.damage[i].load(relaxed));
    state->damage.push_back({rect.x, rect.y, rect.width, rect.height});
  }
  if (options_.cursor == CursorMode::metadata) {
    state->cursor = to_cursor(chosen.cursor != 0 ? chosen.cursor : slot.cursor.load(relaxed));
  }
  if (!state->valid()) return std::nullopt;
  return Frame(std::move(state));
}

std::optional<Cursor> StreamCore::to_cursor(uint64_t word) const {
  const auto ref = proto::CursorRef::unpack(word);
  if (!ref) return std::nullopt;
  return Cursor{ref.x, ref.y, ref.visible, mapping_->cursor_shape(ref.serial)};
}

std::optional<Frame> StreamCore::find(uint64_t sequence) {
  check_usable();
  std::lock_guard lock(mutex_);
  check_usable();
  const FrameRef frame = proto::oldest_since(&mapping_->control(), mapping_->info().slot_count, sequence);
  if (!frame || frame.sequence != sequence) return std::nullopt;
  auto lease_index = mapping_->take_lease_index();
  if (!lease_index) {
    mapping_->watch_for_lease(now_ns() + kLeaseWatchNs);
    lease_index = mapping_->take_lease_index();
  }
  if (!lease_index) raise_lease_limit();
  return lease({frame}, *lease_index);
}

void StreamCore::raise_lease_limit() const {
  throw Error(ErrorCode::lease_limit,
              "all " + std::to_string(options_.max_leases) + " leases of this stream are held",
              "release a frame first, or open the stream with more max_leases");
}

void StreamCore::follow_or_raise() {
  if (state_of(*mapping_) == StreamState::kSuperseded) {
    attach(open_epoch(wake_set_.has_value()));
    return;
  }
  const char* text = mapping_->control().end_text;
  throw Error(ErrorCode::stream_ended,
              "the stream has ended: " + std::string(text, strnlen(text, proto::kEndTextBytes)),
              "reopen it once its source is back");
}

void StreamCore::reopen() {
  check_usable();
  std::shared_ptr<EpochMapping> old;
  {
    std::lock_guard lock(mutex_);
    old = mapping_;
    attach(open_epoch(wake_set_.has_value()));
  }
  if (old) wake_sleepers(*old);
}

bool StreamCore::is_stale() const {
  return state_of(*mapping()) == StreamState::kStale;
}

bool StreamCore::wait_live(uint64_t deadline_ns, const OnSignal& on_signal) {
  for (;;) {
    const auto mapping = this->mapping();
    proto::LeasePage& page = mapping->lease_page();
    const uint32_t word = page.wake_word.load(std::memory_order_seq_cst);
    page.waiting.store(1, std::memory_order_seq_cst);
    {
      std::lock_guard lock(mutex_);
      const StreamState state = usable_state();
      if (state == StreamState::kLive) return true;
      if (state != StreamState::kStale) {
        follow_or_raise();
        continue;
      }
    }
    if (now_ns() >= deadline_ns) return false;
    if (!sleep_on(*mapping, word, deadline_ns, on_signal)) return false;
  }
}

bool StreamCore::is_current() const {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  return lock && mapping_ && state_of(*mapping_) != StreamState::kSuperseded;
}

void StreamCore::close() noexcept {
  if (closed_.exchange(true) || !connection_->in_own_process()) return;
  std::shared_ptr<EpochMapping> mapping;
  {
    std::lock_guard lock(mutex_);
    mapping.swap(mapping_);
    if (wake_set_) wake_set_->close();
  }
  if (mapping) wake_sleepers(*mapping);
}

int StreamCore::wake_fd() {
  check_usable();
  std::lock_guard lock(mutex_);
  check_usable();
  if (!wake_set_) {
    WakeSet made = value_or_raise(WakeSet::make());
    auto mapping = open_epoch(true);
    wake_set_ = std::move(made);
    attach(std::move(mapping));
  }
  return wake_set().fd();
}

const WakeSet& StreamCore::wake_set() const {
  check_usable();
  if (wake_set_) return *wake_set_;
  throw Error(ErrorCode::invalid_argument, "this stream has no descriptor yet", "ask for wake_fd() first");
}

void StreamCore::arm() const {
  check_usable();
  std::lock_guard lock(mutex_);
  wake_set();
  mapping_->lease_page().armed.store(1, std::memory_order_seq_cst);
}

void StreamCore::drain() const {
  check_usable();
  std::lock_guard lock(mutex_);
  wake_set().drain();
}

}  // namespace framering::internal
