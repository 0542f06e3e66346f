// A daemon that rotates slots and readers that lease them, made of proto/lease.h and nothing else. The parts
// run as threads or as processes over one Arena; the orders and the type of a pixel are parameters.
#pragma once

#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "proto/lease.h"

namespace framering::testing {

inline constexpr uint32_t kStressSlots = 4;
inline constexpr uint32_t kStressReaders = 5;
inline constexpr uint32_t kStressWords = 64;

struct StressRules {
  uint64_t lease_ns;  // the guarantee
  uint64_t run_ns;
  uint32_t readers;
  bool stop_at_violation = false;
  // Longer by this at most, until some readers were told of frames that had changed: on a busy machine the
  // readers may seldom hold all slots at the same time.
  uint64_t until_told_ns = 0;
};

inline constexpr uint64_t kToldOften = 10;

// Which frame a reader takes, and for how long.
enum class Habit : uint32_t {
  kNewest,
  kInOrder,
  kOldest,     // the frame that is overwritten next, again and again
  kOverstays,  // the newest, for 1 + the reader's index times its guarantee
};

struct Tally {
  std::atomic<uint64_t> leases{0};
  std::atomic<uint64_t> told{0};     // leases that still_valid() said were broken
  std::atomic<uint64_t> changed{0};  // of them, those whose pixels had really changed
  std::atomic<uint64_t> untold{0};   // violation: the pixels were another frame's, still_valid() said nothing
  std::atomic<uint64_t> early{0};    // violation: broken within the guarantee
  std::atomic<uint64_t> disordered{0};  // violation: a frame again, or an older one
};

// Everything that the parts share. Zeroed memory is a valid one.
template <class Word>
struct Arena {
  proto::ControlPage control;
  proto::SlotHeader slots[kStressSlots];
  proto::LeasePage pages[kStressReaders];
  alignas(64) Word pixels[kStressSlots][kStressWords];  // each holds its frame's sequence
  Tally tallies[kStressReaders];
  std::atomic<uint64_t> published;
  std::atomic<uint64_t> breaks;
  std::atomic<uint32_t> ready;
  std::atomic<bool> stop;
};

inline uint64_t stress_now_ns() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

// A relaxed pixel may be read while it is overwritten, as pixels are. A plain one may not: ThreadSanitizer
// then sees whether the protocol alone orders the accesses.
inline uint64_t load(const std::atomic<uint64_t>& word) {
  return word.load(std::memory_order_relaxed);
}
inline uint64_t load(const uint64_t& word) {
  return word;
}
inline void store(std::atomic<uint64_t>& word, uint64_t value) {
  word.store(value, std::memory_order_relaxed);
}
inline void store(uint64_t& word, uint64_t value) {
  word = value;
}

template <class Order, class Word>
class StressDaemon {
 public:
  StressDaemon(Arena<Word>& arena, const StressRules& rules) : arena_(arena), rules_(rules) {}

  void run() {
    for (auto& slot : arena_.slots) slot.sequence.store(proto::kSlotOverwritten);
    end_ns_ = stress_now_ns() + rules_.run_ns;
    arena_.ready.fetch_add(1);
    while (arena_.ready.load() <= rules_.readers && stress_now_ns() < end_ns_) {
    }
    for (uint64_t sequence = 1; !finished();) {
      const std::optional<uint32_t> slot = take_slot();
      if (!slot) continue;
      for (Word& word : arena_.pixels[*slot]) store(word, sequence);
      arena_.slots[*slot].sequence.store(sequence, std::memory_order_seq_cst);
      arena_.control.latest.store(proto::FrameRef{sequence, *slot}.pack(), std::memory_order_seq_cst);
      held_[*slot] = sequence;
      newest_ = slot;
      arena_.published.store(sequence++, std::memory_order_relaxed);
    }
    arena_.stop.store(true);
  }

 private:
  struct Pin {
    uint64_t sequence = 0;
    uint64_t since_ns = 0;
  };

  // When the youngest lease on the slot's frame was first seen; 0 = none.
  uint64_t leased_since(uint32_t slot) {
    uint64_t youngest = 0;
    for (uint32_t reader = 0; reader < rules_.readers; ++reader) {
      const uint64_t word = arena_.pages[reader].leases[0].load(Order::kDaemonScan);
      if (word != proto::FrameRef{held_[slot], slot}.pack()) continue;
      Pin& pin = pins_[reader][slot];
      if (pin.sequence != held_[slot]) pin = {held_[slot], stress_now_ns()};
      youngest = std::max(youngest, pin.since_ns);
    }
    return youngest;
  }

  bool claim(uint32_t slot, bool may_break) {
    bool broken = false;
    const bool claimed = proto::try_claim<Order>(arena_.slots[slot], held_[slot], [&] {
      const uint64_t since = leased_since(slot);
      broken = since != 0;
      return broken && !(may_break && stress_now_ns() - since >= rules_.lease_ns);
    });
    if (claimed && broken) arena_.breaks.fetch_add(1, std::memory_order_relaxed);
    if (claimed) held_[slot] = 0;
    return claimed;
  }

  std::optional<uint32_t> oldest_but(uint64_t skip_mask) const {
    std::optional<uint32_t> best;
    for (uint32_t slot = 0; slot < kStressSlots; ++slot) {
      if (slot == newest_ || (skip_mask >> slot & 1)) continue;
      if (!best || held_[slot] < held_[*best]) best = slot;
    }
    return best;
  }

  std::optional<uint32_t> take_slot() {
    uint64_t tried = 0;
    while (const auto slot = oldest_but(tried)) {
      if (held_[*slot] == 0 || (leased_since(*slot) == 0 && claim(*slot, false))) return slot;
      tried |= uint64_t{1} << *slot;
    }
    const auto oldest = oldest_but(0);
    return oldest && claim(*oldest, true) ? oldest : std::nullopt;
  }

  bool finished() const {
    const uint64_t now = stress_now_ns();
    if (rules_.stop_at_violation && total(&Tally::early) + total(&Tally::untold) > 0) return true;
    if (now < end_ns_) return false;
    return now >= end_ns_ + rules_.until_told_ns || total(&Tally::changed) >= kToldOften;
  }

  uint64_t total(std::atomic<uint64_t> Tally::*counter) const {
    uint64_t sum = 0;
    for (const Tally& tally : arena_.tallies) sum += (tally.*counter).load(std::memory_order_relaxed);
    return sum;
  }

  Arena<Word>& arena_;
  const StressRules rules_;
  uint64_t end_ns_ = 0;
  std::array<uint64_t, kStressSlots> held_{};
  std::optional<uint32_t> newest_;
  Pin pins_[kStressReaders][kStressSlots];
};

template <class Order, class Word>
class StressReader {
 public:
  StressReader(Arena<Word>& arena, uint32_t index, Habit habit, const StressRules& rules)
      : arena_(arena),
        tally_(arena.tallies[index]),
        lease_(arena.pages[index].leases[0]),
        habit_(habit),
        rules_(rules),
        overstay_ns_((1 + index) * rules.lease_ns) {}

  void run() {
    arena_.ready.fetch_add(1);
    while (arena_.ready.load() <= rules_.readers && !arena_.stop.load()) {
    }
    while (!arena_.stop.load(std::memory_order_relaxed)) {
      if (const proto::FrameRef frame = choose()) read(frame);
    }
  }

 private:
  struct Taken {
    uint64_t sequence = 0;
    uint64_t since_ns = 0;
  };

  proto::FrameRef choose() {
    if (habit_ == Habit::kNewest || habit_ == Habit::kOverstays) {
      const auto frame = proto::FrameRef::unpack(arena_.control.latest.load(std::memory_order_seq_cst));
      if (frame.sequence < last_sequence_) tally_.disordered.fetch_add(1, std::memory_order_relaxed);
      return frame.sequence > last_sequence_ ? frame : proto::FrameRef{};
    }
    return proto::oldest_since(&arena_.control, kStressSlots,
                               habit_ == Habit::kInOrder ? last_sequence_ + 1 : 1);
  }

  void read(proto::FrameRef frame) {
    const proto::SlotHeader& slot = arena_.slots[frame.slot];
    // The guarantee counts from the first time that this reader took the frame.
    const uint64_t now = stress_now_ns();
    if (proto::acquire<Order>(slot, lease_, frame) != proto::Acquire::kLeased) return;
    Taken& taken = taken_[frame.slot];
    if (taken.sequence != frame.sequence) taken = {frame.sequence, now};
    if (habit_ == Habit::kOverstays) pause(overstay_ns_);

    bool intact = true;
    for (const Word& word : arena_.pixels[frame.slot]) intact &= load(word) == frame.sequence;
    const bool valid = proto::still_valid(slot, frame.sequence);
    const uint64_t age_ns = stress_now_ns() - taken.since_ns;
    proto::release(lease_);

    count(tally_.leases);
    if (!valid) count(tally_.told);
    if (!valid && !intact) count(tally_.changed);
    if (!valid && age_ns < rules_.lease_ns) count(tally_.early);
    if (valid && !intact) count(tally_.untold);
    if (habit_ == Habit::kInOrder && frame.sequence <= last_sequence_) count(tally_.disordered);
    if (valid) last_sequence_ = frame.sequence;
  }

  static void count(std::atomic<uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

  static void pause(uint64_t ns) {
    const timespec time{static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
    nanosleep(&time, nullptr);
  }

  Arena<Word>& arena_;
  Tally& tally_;
  std::atomic<uint64_t>& lease_;
  const Habit habit_;
  const StressRules rules_;
  const uint64_t overstay_ns_;
  uint64_t last_sequence_ = 0;
  Taken taken_[kStressSlots];
};

}  // namespace framering::testing
