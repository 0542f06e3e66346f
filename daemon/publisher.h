// Wakes the readers of one epoch: the first that sleeps at once, from the pump, the others from a thread of
// its own. The pump so pays the same for any number of clients, and nobody's frame waits for two wake-ups in
// a row.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include "daemon/heartbeat.h"
#include "daemon/reader.h"

namespace framering::daemon {

class Publisher {
 public:
  explicit Publisher(const ReaderTable& readers);  // the table outlives the publisher
  ~Publisher();                                    // stop()
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // Pump thread. A frame is on its way: where the one before came soon after its announcement, the thread
  // gets up now, to be awake when notify() comes.
  void expect();
  // Pump thread. The control page changed: whoever waits is woken, one at once and the others soon. Several
  // changes may become one wake-up.
  void notify();
  // Pump thread. The newest frame was confirmed up to this moment: only who asked for one up to then is
  // woken, one of them at once.
  void notify_confirmed(uint64_t until_ns);
  // Pump thread. The pointer moved or changed: only who follows it is woken, one of them at once.
  void notify_cursor();
  // Pump thread. Wakes everybody once more and ends the thread; idempotent.
  void stop();

  // Any thread. The thread is asked for a sign of life, and answers without waking a reader.
  void ask_for_life();
  bool is_alive() const { return heartbeat_.answered(); }

 private:
  void run();
  void wake_thread();
  // One that sleeps, or null; it is then the caller's to wake.
  std::shared_ptr<Reader> claim_first();
  void wake_all(const Reader* but);
  // One whom the predicate picks; the thread is there for others, if there may be any.
  template <class Concerns>
  void wake_one(Concerns&& concerns);
  // Whom the predicate picks.
  template <class Concerns>
  void wake_some(Concerns&& concerns);
  // Returns with the frame that is expected, if one is, or when that takes too long to be awake for.
  void watch() const;

  const ReaderTable& readers_;
  const bool may_watch_;

  // Pump thread.
  uint64_t expected_ns_ = 0;
  uint64_t lead_ns_ = UINT64_MAX;  // from the last expect() to its notify()
  size_t next_ = 0;                // who is asked first whether he sleeps
  uint64_t told_ns_ = 0;           // up to when the last notify_confirmed() was

  size_t first_ = 0;  // whom the thread wakes first

  std::atomic<uint32_t> generation_{0};  // moves whenever there is something to do
  std::atomic<uint32_t> changes_{0};     // of the control page, for everybody
  std::atomic<uint32_t> cursor_changes_{0};
  std::atomic<bool> expecting_{false};
  std::atomic<const Reader*> claimed_{nullptr};  // by the last notify()
  std::atomic<uint64_t> confirmed_ns_{0};
  std::atomic<bool> stopping_{false};
  Heartbeat heartbeat_;
  std::thread thread_;
};

}  // namespace framering::daemon
