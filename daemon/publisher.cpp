#include "daemon/publisher.h"

#include <utility>

#include "daemon/thread_name.h"

namespace framering::daemon {

Publisher::Publisher(const ReaderTable& readers) : readers_(readers), thread_([this] { run(); }) {}

Publisher::~Publisher() {
  stop();
}

void Publisher::notify() {
  changes_.fetch_add(1, std::memory_order_seq_cst);
  wake_thread();
}

void Publisher::notify_confirmed(uint64_t until_ns) {
  confirmed_ns_.store(until_ns, std::memory_order_seq_cst);
  wake_thread();
}

void Publisher::wake_thread() {
  // Process-private, so std::atomic's own waiting serves; the clients' words are not.
  generation_.fetch_add(1, std::memory_order_seq_cst);
  generation_.notify_one();
}

void Publisher::ask_for_life() {
  heartbeat_.ask();
  wake_thread();
}

void Publisher::stop() {
  stopping_.store(true);
  notify();
  if (thread_.joinable()) thread_.join();
}

void Publisher::run() {
  name_this_thread("publisher");
  uint32_t seen = 0;
  uint32_t seen_changes = 0;
  uint64_t seen_confirmed_ns = 0;
  size_t first = 0;
  for (bool last = false; !last;) {
    generation_.wait(seen, std::memory_order_seq_cst);
    // In this order: a stop() in between moves the generation after it, so the next wait returns at once.
    seen = generation_.load(std::memory_order_seq_cst);
    last = stopping_.load();
    heartbeat_.answer();
    const uint32_t changes = changes_.load();
    const bool everybody = std::exchange(seen_changes, changes) != changes;
    const uint64_t confirmed_ns = confirmed_ns_.load();
    const uint64_t answered_ns = std::exchange(seen_confirmed_ns, confirmed_ns);
    if (!everybody && answered_ns == confirmed_ns && !last) continue;
    const auto readers = readers_.snapshot();
    // Starts with another client each time: nobody is always the last to be woken.
    const size_t count = readers->size();
    for (size_t i = 0; i < count; ++i) {
      Reader& reader = *(*readers)[(first + i) % count].reader;
      const uint64_t asked_ns = reader.asked_ns.load();
      if (everybody || (asked_ns > answered_ns && asked_ns <= confirmed_ns)) reader.wake();
    }
    ++first;
  }
}

}  // namespace framering::daemon
