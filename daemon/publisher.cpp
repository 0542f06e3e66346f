#include "daemon/publisher.h"

#include <algorithm>
#include <utility>

#include "daemon/frame.h"
#include "daemon/thread_name.h"
#include "proto/relax.h"

namespace framering::daemon {

namespace {

// A thread that sleeps takes some 50 us to come up, on a virtual machine often 300: to be up in time for a
// frame it may watch as long as that. Frames that take longer can wait for it.
constexpr uint64_t kMostWatchNs = 150'000;
// Who is looked at for somebody that sleeps, whatever the number of readers: each is a cache miss.
constexpr size_t kMostLooks = 8;
// Where cores are few, a thread that watches takes one from who draws or reads.
constexpr unsigned kWatchingCores = 4;

// Whether what this reader asked for was confirmed between these moments.
bool is_answer(const Reader& reader, uint64_t after_ns, uint64_t until_ns) {
  const uint64_t asked_ns = reader.asked_ns();
  return asked_ns > after_ns && asked_ns <= until_ns;
}

}  // namespace

Publisher::Publisher(const ReaderTable& readers)
    : readers_(readers),
      may_watch_(std::thread::hardware_concurrency() >= kWatchingCores),
      thread_([this] { run(); }) {}

Publisher::~Publisher() {
  stop();
}

void Publisher::expect() {
  expected_ns_ = now_ns();
  if (lead_ns_ > kMostWatchNs || !may_watch_) return;
  expecting_.store(true);
  wake_thread();
}

void Publisher::notify() {
  lead_ns_ = now_ns() - expected_ns_;
  const auto first = claim_first();
  claimed_.store(first.get());
  changes_.fetch_add(1);
  expecting_.store(false);
  // The thread first: where cores are few, the client may run in place of the pump.
  wake_thread();
  if (first) first->wake();
}

void Publisher::notify_confirmed(uint64_t until_ns) {
  confirmed_ns_.store(until_ns);
  const uint64_t told_ns = std::exchange(told_ns_, until_ns);
  wake_one([=](const Reader& reader) { return is_answer(reader, told_ns, until_ns); });
}

void Publisher::notify_cursor() {
  cursor_changes_.fetch_add(1, std::memory_order_seq_cst);
  wake_one([](const Reader& reader) { return reader.options().cursor; });
}

void Publisher::wake_thread() {
  // Process-private, so std::atomic's own waiting serves; the clients' words are not.
  generation_.fetch_add(1);
  generation_.notify_one();
}

void Publisher::ask_for_life() {
  heartbeat_.ask();
  wake_thread();
}

void Publisher::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  notify();
  thread_.join();
}

std::shared_ptr<Reader> Publisher::claim_first() {
  const auto readers = readers_.snapshot();
  const size_t looks = std::min(readers->size(), kMostLooks);
  const size_t start = next_++;
  for (size_t i = 0; i < looks; ++i) {
    const auto& reader = (*readers)[(start + i) % readers->size()].reader;
    if (reader->claim_sleeper()) return reader;
  }
  return nullptr;
}

template <class Concerns>
void Publisher::wake_one(Concerns&& concerns) {
  const auto readers = readers_.snapshot();
  const size_t looks = std::min(readers->size(), kMostLooks);
  const size_t start = next_++;
  std::shared_ptr<Reader> first;
  bool may_be_more = readers->size() > looks;
  for (size_t i = 0; i < looks; ++i) {
    const auto& reader = (*readers)[(start + i) % readers->size()].reader;
    if (!concerns(*reader)) continue;
    if (!first && reader->claim_sleeper()) first = reader;
    may_be_more |= reader->waits();
  }
  if (may_be_more) wake_thread();
  if (first) first->wake();
}

template <class Concerns>
void Publisher::wake_some(Concerns&& concerns) {
  const auto readers = readers_.snapshot();
  for (const ReaderEntry& entry : *readers) {
    if (!concerns(*entry.reader)) continue;
    if (entry.reader->claim_sleeper()) entry.reader->wake();
    entry.reader->signal_pipe();
  }
}

void Publisher::run() {
  name_this_thread("publisher");
  uint32_t seen = 0;
  uint32_t seen_changes = 0;
  uint32_t seen_cursor_changes = 0;
  uint64_t seen_confirmed_ns = 0;
  for (bool last = false; !last;) {
    generation_.wait(seen);
    // In this order: a stop() in between moves the generation after it, so the next wait returns at once.
    seen = generation_.load();
    last = stopping_.load();
    heartbeat_.answer();
    watch();
    const uint32_t changes = changes_.load();
    const uint32_t count = changes - std::exchange(seen_changes, changes);
    const uint32_t cursor_changes = cursor_changes_.load();
    const bool moved = std::exchange(seen_cursor_changes, cursor_changes) != cursor_changes;
    const uint64_t confirmed_ns = confirmed_ns_.load();
    const uint64_t answered_ns = std::exchange(seen_confirmed_ns, confirmed_ns);
    if (count > 0) wake_all(count == 1 ? claimed_.load() : nullptr);
    // Besides, not instead: who was woken for the change may have come to wait for this since.
    if (moved || answered_ns != confirmed_ns) {
      wake_some([=](const Reader& reader) {
        return (moved && reader.options().cursor) || is_answer(reader, answered_ns, confirmed_ns);
      });
    }
  }
}

// `but` is woken for this change by the pump. Where it waits again, it waits for the next one.
void Publisher::wake_all(const Reader* but) {
  const auto readers = readers_.snapshot();
  // Starts with another client each time: nobody is always the last to be woken.
  const size_t start = first_++;
  for (size_t i = 0; i < readers->size(); ++i) {
    Reader& reader = *(*readers)[(start + i) % readers->size()].reader;
    if (&reader != but && reader.claim_sleeper()) reader.wake();
    reader.signal_pipe();
  }
}

void Publisher::watch() const {
  const uint64_t end_ns = now_ns() + kMostWatchNs;
  while (expecting_.load() && now_ns() < end_ns) proto::relax();
}

}  // namespace framering::daemon
