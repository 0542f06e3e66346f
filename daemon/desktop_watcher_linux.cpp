#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "daemon/desktop_watcher.h"
#include "daemon/frame.h"
#include "daemon/thread_name.h"
#include "daemon/wait.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::Ok;
using proto::Status;

namespace {

constexpr uint64_t kMillisecondNs = 1'000'000;
constexpr uint64_t kBetweenLooksNs = 50 * kMillisecondNs;     // a look is a dozen requests a window
constexpr uint64_t kBetweenQuestionsNs = 1 * kMillisecondNs;  // a question is one request
constexpr uint64_t kBetweenOpensNs = 250 * kMillisecondNs;    // of a desktop that is not there
constexpr uint64_t kKeepOpenNs = 2'000 * kMillisecondNs;      // for the next who lists
constexpr std::chrono::milliseconds kStopTimeout{1500};

}  // namespace

DesktopWatcher::~DesktopWatcher() {
  if (thread_.joinable()) thread_.join();
}

Status DesktopWatcher::start() {
  if (thread_.joinable()) return Ok{};
  wake_fd_ = proto::UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_fd_) return proto::errno_error(ErrorCode::kOutOfMemory, "cannot create an eventfd", errno);
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    return Error{ErrorCode::kOutOfMemory, std::string("cannot start a thread: ") + error.what(), {}};
  }
  return Ok{};
}

void DesktopWatcher::ask(Done done) {
  if (stopping_) return;
  if (const Status started = start(); !started) {
    return boost::asio::post(io_, [done = std::move(done), error = started.error()] { done(error); });
  }
  uint64_t number = 0;
  {
    std::lock_guard lock(mutex_);
    number = ++wish_.asked;
  }
  auto limit = std::make_unique<boost::asio::steady_timer>(io_, limit_);
  limit->async_wait([this, number](boost::system::error_code error) {
    if (error) return;
    auto late = waiters_.extract(number);
    if (late) {
      late.mapped().done(Error{ErrorCode::kTimeout, "the desktop did not answer in time",
                               "is its X server stopped or busy?"});
    }
  });
  waiters_.emplace(number, Waiter{std::move(done), std::move(limit)});
  wake();
}

void DesktopWatcher::watch(bool wanted) {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(wish_.watching, wanted) == wanted) return;
  }
  if (wake_fd_) wake();
}

bool DesktopWatcher::stop() {
  if (!thread_.joinable()) return true;
  stopping_ = true;
  waiters_.clear();
  wake();
  std::unique_lock lock(mutex_);
  if (desktop_) desktop_->interrupt();
  if (!ended_.wait_for(lock, kStopTimeout, [this] { return finished_; })) {
    thread_.detach();
    return false;
  }
  lock.unlock();
  thread_.join();
  return true;
}

void DesktopWatcher::wake() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_.get(), &one, sizeof one);
}

void DesktopWatcher::answer(uint64_t up_to, const Found& found) {
  while (!waiters_.empty() && waiters_.begin()->first <= up_to) {
    const auto waiter = waiters_.extract(waiters_.begin());
    waiter.mapped().done(found);
  }
}

// --- the thread ---

DesktopWatcher::Wish DesktopWatcher::wish() const {
  std::lock_guard lock(mutex_);
  return wish_;
}

void DesktopWatcher::run() {
  name_this_thread("desktop");
  uint64_t answered = 0;
  uint64_t used_ns = now_ns();
  while (!stopping_) {
    const Wish wanted = wish();
    const bool asked = wanted.asked > answered;
    if (asked || wanted.watching) used_ns = now_ns();
    if (!asked && !wanted.watching && now_ns() >= used_ns + kKeepOpenNs) set_desktop(nullptr);
    if (asked) {
      work(answered);
      continue;
    }
    // A desktop that has gone is opened again for who watches, and closed after a while where nobody does.
    const uint64_t until_ns = wanted.watching ? (desktop_ ? kNever : next_question_ns_)
                              : desktop_      ? used_ns + kKeepOpenNs
                                              : kNever;
    const int event_fd = wanted.watching && desktop_ ? desktop_->event_fd() : kNoFd;
    wait_for_fds({wake_fd_.get(), event_fd}, until_ns);
    uint64_t count;
    [[maybe_unused]] const ssize_t got = read(wake_fd_.get(), &count, sizeof count);
    if (!stopping_ && wish().watching) work(answered);
  }
  set_desktop(nullptr);
  std::lock_guard lock(mutex_);
  finished_ = true;
  ended_.notify_all();
}

void DesktopWatcher::work(uint64_t& answered) {
  const auto before = known_;
  uint64_t up_to = 0;
  const Found found = find(up_to);
  if (stopping_) return;
  known_ = found ? *found : nullptr;
  const bool changed = before != known_ && !(before && known_ && *before == *known_);
  tell(up_to, found, changed);
  answered = up_to;
}

// `up_to`: the newest question that this answers.
DesktopWatcher::Found DesktopWatcher::find(uint64_t& up_to) {
  pause_until(next_question_ns_);
  if (!desktop_) {
    next_question_ns_ = now_ns() + kBetweenOpensNs;
    up_to = wish().asked;
    auto opened = open_();
    if (!opened) return opened.error();
    set_desktop(*std::move(opened));
  }
  next_question_ns_ = now_ns() + kBetweenQuestionsNs;
  up_to = wish().asked;
  const auto differs = desktop_->may_differ();
  if (differs && !*differs && known_) return known_;
  pause_until(next_look_ns_);
  next_look_ns_ = now_ns() + kBetweenLooksNs;
  up_to = wish().asked;
  auto look = differs ? desktop_->look() : differs.error();
  if (!look) {
    set_desktop(nullptr);
    return look.error();
  }
  return std::make_shared<const proto::DesktopReply>(*std::move(look));
}

void DesktopWatcher::set_desktop(std::unique_ptr<Desktop> desktop) {
  std::unique_ptr<Desktop> before;  // let go of after the lock
  std::lock_guard lock(mutex_);
  before = std::exchange(desktop_, std::move(desktop));
  if (desktop_ && stopping_) desktop_->interrupt();
}

void DesktopWatcher::tell(uint64_t up_to, const Found& found, bool changed) {
  boost::asio::post(io_, [this, up_to, found, changed, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    // Who is answered knows it already.
    if (changed && on_change_) on_change_();
    answer(up_to, found);
  });
}

void DesktopWatcher::pause_until(uint64_t until_ns) const {
  while (!stopping_ && now_ns() < until_ns) {
    uint64_t count;
    wait_for_fds({wake_fd_.get()}, until_ns);
    [[maybe_unused]] const ssize_t got = read(wake_fd_.get(), &count, sizeof count);
  }
}

}  // namespace framering::daemon
