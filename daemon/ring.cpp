#include "daemon/ring.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <span>
#include <string>

#include "proto/cursor_shapes.h"
#include "proto/damage_history.h"
#include "proto/lease.h"
#include "proto/text.h"

namespace framering::daemon {

using proto::FrameRef;
using proto::StreamState;

proto::Result<std::unique_ptr<Ring>> Ring::create(const RingOptions& options) {
  auto page = SharedPage::create("framering-control",
                                 proto::control_bytes(options.slot_count, options.cursor_shapes));
  if (!page) return page.error();
  std::unique_ptr<Ring> ring(new Ring);
  ring->options_ = options;
  ring->next_sequence_ = options.next_sequence;
  ring->page_ = *std::move(page);

  ring->control_ = new (ring->page_.data()) proto::ControlPage{};
  ring->slots_ = proto::slot_headers(ring->control_);
  proto::ControlPage& control = *ring->control_;
  control.magic = proto::kControlMagic;
  control.layout_version = proto::kLayoutVersion;
  control.slot_count = static_cast<uint16_t>(options.slot_count);
  control.epoch = options.epoch;
  control.width = options.geometry.width;
  control.height = options.geometry.height;
  control.stride = options.geometry.stride();
  control.format = static_cast<uint32_t>(options.geometry.format);
  control.position = proto::DesktopPoint{options.geometry.x, options.geometry.y}.pack();
  control.slot_bytes = options.slot_bytes;
  control.region_bytes = options.slot_bytes * options.slot_count;
  control.cursor_shapes = options.cursor_shapes;
  control.state.store(static_cast<uint32_t>(StreamState::kLive));
  for (uint32_t i = 0; i < options.slot_count; ++i) {
    new (&ring->slots_[i]) proto::SlotHeader{};
    ring->slots_[i].sequence.store(proto::kSlotOverwritten);
  }
  for (uint32_t i = 0; i < options.cursor_shapes; ++i) {
    new (proto::cursor_shapes(ring->control_, options.slot_count) + i) proto::CursorShape;
  }
  if (auto sealed = ring->page_.seal_writes(); !sealed) return sealed.error();
  return ring;
}

Ring::LeaseTimes Ring::scan(const ReaderList& readers, uint64_t now) const {
  LeaseTimes youngest{};
  for (const auto& entry : readers) {
    for (const auto& lease : entry.leases) {
      const uint64_t word = lease.load(proto::StrictOrder::kDaemonScan);
      if (word == 0) continue;
      const FrameRef claim = FrameRef::unpack(word);
      // A claim to anything but what the slot holds is stale or made up, and pins nothing.
      if (claim.slot >= options_.slot_count || held_[claim.slot] != claim.sequence) continue;
      Reader::Pin& pin = entry.reader->pins[claim.slot];
      // A thread that lost its processor on the way here would else count a lease from before it was taken.
      if (pin.sequence != claim.sequence) pin = {claim.sequence, std::max(now, options_.clock())};
      youngest[claim.slot] = std::max(youngest[claim.slot], pin.since_ns);
    }
  }
  return youngest;
}

bool Ring::claim_free(uint32_t slot, const ReaderList& readers, uint64_t now) {
  return proto::try_claim(slots_[slot], held_[slot], [&] { return scan(readers, now)[slot] != kFree; });
}

template <class MayBreak>
bool Ring::claim_leased(uint32_t slot, const ReaderList& readers, MayBreak&& may_break) {
  if (!proto::try_claim(slots_[slot], held_[slot], [&] { return !may_break(); })) return false;
  for (const auto& entry : readers) {
    const bool held = std::any_of(entry.leases.begin(), entry.leases.end(), [&](const auto& word) {
      return word.load(std::memory_order_relaxed) == FrameRef{held_[slot], slot}.pack();
    });
    if (held) entry.reader->leases_broken.fetch_add(1, std::memory_order_relaxed);
  }
  return true;
}

std::optional<uint32_t> Ring::claim_expired(const ReaderList& readers, uint64_t now,
                                            const LeaseTimes& youngest) {
  std::array<uint32_t, proto::kMaxSlots> order;
  const uint32_t count = oldest_first(order);
  std::sort(order.begin(), order.begin() + count,
            [&](uint32_t a, uint32_t b) { return youngest[a] < youngest[b]; });
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t slot = order[i];
    if (youngest[slot] == kFree) continue;  // leased since the scan, so within its guarantee
    if (now < youngest[slot] + options_.lease_ns) break;
    // Between the first scan and the mark a reader may have taken the frame: the second scan gives it its
    // guarantee.
    const bool claimed = claim_leased(slot, readers, [&] {
      const uint64_t since = scan(readers, now)[slot];
      return since == kFree || now >= since + options_.lease_ns;
    });
    if (claimed) return slot;
  }
  return std::nullopt;
}

uint64_t Ring::held_beyond_share(const ReaderList& readers) const {
  const auto share = static_cast<int>(max_leases_of_client(options_.slot_count));
  const uint64_t newest = newest_ ? uint64_t{1} << *newest_ : 0;
  uint64_t within = 0;
  uint64_t beyond = 0;
  for (auto entry = readers.begin(); entry != readers.end();) {
    const uint32_t client = entry->client;
    uint64_t held = 0;
    for (; entry != readers.end() && entry->client == client; ++entry) {
      for (const auto& lease : entry->leases) {
        const FrameRef claim = FrameRef::unpack(lease.load(proto::StrictOrder::kDaemonScan));
        if (claim && claim.slot < options_.slot_count && held_[claim.slot] == claim.sequence) {
          held |= uint64_t{1} << claim.slot;
        }
      }
    }
    held &= ~newest;
    (std::popcount(held) > share ? beyond : within) |= held;
  }
  return beyond & ~within;
}

std::optional<uint32_t> Ring::claim_beyond_share(const ReaderList& readers) {
  const uint64_t beyond = held_beyond_share(readers);
  std::array<uint32_t, proto::kMaxSlots> order;
  const uint32_t count = oldest_first(order);
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t bit = uint64_t{1} << order[i];
    if ((beyond & bit) && claim_leased(order[i], readers, [&] { return held_beyond_share(readers) & bit; })) {
      return order[i];
    }
  }
  return std::nullopt;
}

uint32_t Ring::oldest_first(std::array<uint32_t, proto::kMaxSlots>& order) const {
  uint32_t count = 0;
  for (uint32_t i = 0; i < options_.slot_count; ++i) {
    if (i != newest_) order[count++] = i;
  }
  std::sort(order.begin(), order.begin() + count,
            [this](uint32_t a, uint32_t b) { return held_[a] < held_[b]; });
  return count;
}

std::optional<uint32_t> Ring::begin_write(const ReaderList& readers, uint64_t now) {
  const auto taken = [this](uint32_t slot) {
    held_[slot] = 0;
    return slot;
  };
  // Scanned once before any mark, so that an in-order reader rarely meets a mark that is taken back.
  const LeaseTimes youngest = scan(readers, now);
  std::array<uint32_t, proto::kMaxSlots> order;
  const uint32_t count = oldest_first(order);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t slot = order[i];
    if (held_[slot] == 0) return slot;
    if (youngest[slot] == kFree && claim_free(slot, readers, now)) return taken(slot);
  }
  if (const auto slot = claim_expired(readers, now, youngest)) return taken(*slot);
  if (const auto slot = claim_beyond_share(readers)) return taken(*slot);
  return std::nullopt;
}

uint64_t Ring::publish(uint32_t slot, const CaptureInfo& capture, uint64_t now) {
  const uint64_t sequence = next_sequence_++;
  proto::SlotHeader& header = slots_[slot];
  constexpr auto relaxed = std::memory_order_relaxed;
  header.capture_requested_ns.store(capture.requested_ns, relaxed);
  header.capture_done_ns.store(capture.done_ns, relaxed);
  header.published_ns.store(now, relaxed);
  header.cursor.store(cursor_, relaxed);
  header.damage_count.store(capture.damage.size(), relaxed);
  uint32_t i = 0;
  for (const DamageRect& rect : capture.damage) header.damage[i++].store(rect.pack(), relaxed);
  keep_damage(sequence, capture.damage);
  header.sequence.store(sequence, std::memory_order_seq_cst);

  held_[slot] = sequence;
  newest_ = slot;
  confirmed_ns_ = capture.requested_ns;
  proto::set_newest(*control_, {FrameRef{sequence, slot}, confirmed_ns_});
  return sequence;
}

void Ring::keep_damage(uint64_t sequence, const Damage& damage) {
  const DamageRect bounds = damage.bounds();
  const std::span<const DamageRect> rects(damage.begin(), damage.size());
  proto::write_damage(*control_, sequence,
                      rects.size() <= proto::kMaxHistoryRects ? rects : std::span(&bounds, 1));
}

bool Ring::set_cursor(const std::optional<Cursor>& cursor) {
  proto::CursorRef ref;
  if (cursor && options_.cursor_shapes > 0) {
    const auto bounded = [](int32_t value) {
      return static_cast<int16_t>(std::clamp<int32_t>(value, INT16_MIN, INT16_MAX));
    };
    const proto::CursorPicture& picture = *cursor->picture;
    ref = {bounded(cursor->x), bounded(cursor->y), picture.serial, cursor->visible};
    if (std::find(shapes_.begin(), shapes_.end(), picture.serial) == shapes_.end()) {
      // The shape first, so that who finds its serial finds it.
      proto::write_shape(proto::cursor_shapes(control_, options_.slot_count)[next_shape_],
                         cut_to_bound(picture));
      shapes_[next_shape_] = picture.serial;
      next_shape_ = (next_shape_ + 1) % options_.cursor_shapes;
    }
  }
  if (ref.pack() == cursor_) return false;
  cursor_ = ref.pack();
  control_->cursor.store(cursor_, std::memory_order_release);
  return true;
}

void Ring::abandon(uint32_t slot) {
  held_[slot] = 0;
}

void Ring::count_drop(const ReaderList& readers) {
  for (const auto& entry : readers) {
    const bool holds = std::any_of(entry.leases.begin(), entry.leases.end(), [&](const auto& word) {
      const FrameRef claim = FrameRef::unpack(word.load(std::memory_order_relaxed));
      return claim && claim.slot < options_.slot_count && held_[claim.slot] == claim.sequence;
    });
    if (holds) entry.reader->drops_caused.fetch_add(1, std::memory_order_relaxed);
  }
}

void Ring::retract() {
  control_->latest.store(0, std::memory_order_seq_cst);
  newest_.reset();
}

void Ring::confirm(uint64_t until_ns) {
  confirmed_ns_ = until_ns;
  control_->confirmed_ns.store(until_ns, std::memory_order_release);
}

void Ring::set_stale(bool stale) {
  control_->state.store(static_cast<uint32_t>(stale ? StreamState::kStale : StreamState::kLive),
                        std::memory_order_seq_cst);
}

void Ring::set_desktop_state(uint32_t bits) {
  control_->desktop.store(bits, std::memory_order_seq_cst);
}
void Ring::set_position(proto::DesktopPoint position) {
  control_->position.store(position.pack(), std::memory_order_relaxed);
}

void Ring::end(std::string_view reason) {
  const std::string text = proto::as_text(reason, proto::kEndTextBytes - 1);
  std::memcpy(control_->end_text, text.c_str(), text.size() + 1);
  control_->state.store(static_cast<uint32_t>(StreamState::kEnded), std::memory_order_seq_cst);
}

void Ring::supersede() {
  control_->state.store(static_cast<uint32_t>(StreamState::kSuperseded), std::memory_order_seq_cst);
}

}  // namespace framering::daemon
