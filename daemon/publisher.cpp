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
  // Process-private, so std::atomic's own waiting serves; the clients' words are not.
  generation_.fetch_add(1, std::memory_order_seq_cst);
  generation_.notify_one();
}

void Publisher::ask_for_life() {
  heartbeat_.ask();
  generation_.fetch_add(1, std::memory_order_seq_cst);
  generation_.notify_one();
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
  size_t first = 0;
  for (bool last = false; !last;) {
    generation_.wait(seen, std::memory_order_seq_cst);
    // In this order: a stop() in between moves the generation after it, so the next wait returns at once.
    seen = generation_.load(std::memory_order_seq_cst);
    last = stopping_.load();
    heartbeat_.answer();
    const uint32_t changes = changes_.load(std::memory_order_seq_cst);
    if (changes == std::exchange(seen_changes, changes) && !last) continue;
    const auto readers = readers_.snapshot();
    // Starts with another client each time: nobody is always the last to be woken.
    const size_t count = readers->size();
    for (size_t i = 0; i < count; ++i) (*readers)[(first + i) % count].reader->wake();
    ++first;
  }
}

}  // namespace framering::daemon
