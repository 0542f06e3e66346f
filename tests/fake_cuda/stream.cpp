#include "tests/fake_cuda/stream.h"

#include <csignal>
#include <thread>
#include <utility>

namespace fake_cuda {

uint64_t Stream::enqueue(std::function<void()> work) {
  std::lock_guard lock(mutex_);
  queue_.push_back(std::move(work));
  if (!std::exchange(started_, true)) start();
  changed_.notify_all();
  return ++issued_;
}

uint64_t Stream::last() const {
  std::lock_guard lock(mutex_);
  return issued_;
}

bool Stream::is_done(uint64_t work) const {
  std::lock_guard lock(mutex_);
  return done_ >= work;
}

void Stream::wait(uint64_t work) const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return done_ >= work; });
}

void Stream::close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

bool Stream::is_closed() const {
  std::lock_guard lock(mutex_);
  return closed_;
}

bool Stream::is_over() const {
  std::lock_guard lock(mutex_);
  return closed_ && done_ == issued_;
}

// The process's signals are for its own threads.
void Stream::start() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread([self = shared_from_this()] { self->run(); }).detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Stream::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return closed_ || !queue_.empty(); });
    if (queue_.empty()) return;
    std::function<void()> work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
    ++done_;
    changed_.notify_all();
  }
}

}  // namespace fake_cuda
