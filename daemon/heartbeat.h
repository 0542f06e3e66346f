// A thread's sign of life. Who watches asks, and the thread answers when it next comes round; no thread
// wakes up for it on its own.
#pragma once

#include <atomic>
#include <cstdint>

namespace framering::daemon {

class Heartbeat {
 public:
  // The watching thread. ask() does not wake the other one.
  void ask() { asked_.fetch_add(1, std::memory_order_relaxed); }
  bool answered() const {
    return answered_.load(std::memory_order_relaxed) == asked_.load(std::memory_order_relaxed);
  }

  // The watched thread.
  void answer() { answered_.store(asked_.load(std::memory_order_relaxed), std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t> asked_{0};
  std::atomic<uint32_t> answered_{0};
};

}  // namespace framering::daemon
