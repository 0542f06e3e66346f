// Looks at the desktop while somebody lists it or waits for changes, in a thread of its own: an X server that
// hangs holds up nobody else. Otherwise nothing is asked, and no connection is kept.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "daemon/capture/desktop.h"
#include "proto/limits.h"
#include "proto/message.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace framering::daemon {

// All but the thread is the io thread's.
class DesktopWatcher {
 public:
  using Found = proto::Result<std::shared_ptr<const proto::DesktopReply>>;
  using Done = std::function<void(const Found&)>;

  // So long a client waits for a desktop that does not answer.
  DesktopWatcher(boost::asio::io_context& io, DesktopFactory open,
                 std::chrono::milliseconds limit = std::chrono::milliseconds(proto::kOpenLimitMs))
      : io_(io), open_(std::move(open)), limit_(limit) {}
  ~DesktopWatcher();  // after a stop() that succeeded
  DesktopWatcher(const DesktopWatcher&) = delete;
  DesktopWatcher& operator=(const DesktopWatcher&) = delete;

  // Calls `done` once, later, with the desktop as it was at this call or after: kTimeout where it does not
  // answer, else what opening it or looking at it says. All who ask at the same time share one look; an
  // unchanged desktop costs one round trip, and a changing one is looked at 20 times a second at most.
  void ask(Done done);

  // While true, `on_change` is called after the desktop became another than anybody was told last.
  void watch(bool wanted);
  void on_change(std::function<void()> changed) { on_change_ = std::move(changed); }

  // Ends the thread; who asked hears nothing any more. False as Pump::stop().
  [[nodiscard]] bool stop();

 private:
  struct Waiter {
    Done done;
    std::unique_ptr<boost::asio::steady_timer> limit;
  };
  // What the io thread wants of the other.
  struct Wish {
    uint64_t asked = 0;  // the newest question
    bool watching = false;
  };

  proto::Status start();
  void wake() const;
  void answer(uint64_t up_to, const Found& found);

  // The thread's.
  void run();
  Wish wish() const;
  void work(uint64_t& answered);
  Found find(uint64_t& up_to);
  void set_desktop(std::unique_ptr<Desktop> desktop);
  void tell(uint64_t up_to, const Found& found, bool changed);
  void pause_until(uint64_t until_ns) const;

  boost::asio::io_context& io_;
  const DesktopFactory open_;
  const std::chrono::milliseconds limit_;
  std::function<void()> on_change_;
  std::map<uint64_t, Waiter> waiters_;
  proto::UniqueFd wake_fd_;
  std::atomic<bool> stopping_{false};
  // What the thread posts may come after the watcher is gone.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  mutable std::mutex mutex_;  // guards what follows
  Wish wish_;
  std::unique_ptr<Desktop> desktop_;  // only the thread changes it
  bool finished_ = false;
  std::condition_variable ended_;

  std::shared_ptr<const proto::DesktopReply> known_;  // the thread's, as the next
  uint64_t next_question_ns_ = 0;
  uint64_t next_look_ns_ = 0;

  std::thread thread_;
};

}  // namespace framering::daemon
