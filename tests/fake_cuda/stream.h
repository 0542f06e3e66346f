// A queue of work with a thread that does it in order.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

namespace fake_cuda {

class Context;

class Stream : public std::enable_shared_from_this<Stream> {
 public:
  // `blocking`: waits for the legacy default stream, and that for this one.
  Stream(Context& context, bool blocking) : context_(context), blocking_(blocking) {}

  Context& context() const { return context_; }
  bool is_blocking() const { return blocking_; }

  // Returns the number of the work, counted from 1.
  uint64_t enqueue(std::function<void()> work);
  uint64_t last() const;
  bool is_done(uint64_t work) const;
  void wait(uint64_t work) const;
  // The thread ends after the work that is queued.
  void close();
  bool is_closed() const;
  bool is_over() const;  // closed, and its work done

 private:
  void start();
  void run();

  Context& context_;
  const bool blocking_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  uint64_t issued_ = 0;
  uint64_t done_ = 0;
  bool started_ = false;
  bool closed_ = false;
};

// A point in a stream.
struct Marker {
  std::shared_ptr<Stream> stream;  // null: a point that is always passed
  uint64_t work = 0;

  bool is_passed() const { return !stream || stream->is_done(work); }
  void wait() const {
    if (stream) stream->wait(work);
  }
};

}  // namespace fake_cuda
