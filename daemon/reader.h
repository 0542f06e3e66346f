// The clients that read one epoch of a stream, as the pump and the publisher see them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "daemon/shared_page.h"
#include "daemon/wake_pipe.h"
#include "proto/result.h"
#include "proto/shm_layout.h"
#include "proto/unique_fd.h"

namespace framering::daemon {

struct ReaderOptions {
  uint32_t client = 0;  // a process: it may attach several times, and its leases count together
  uint32_t max_leases = proto::kDefaultLeases;
  double max_fps = 0;  // 0 = as the stream
  bool wake_pipe = false;
  bool cursor = false;  // is told where the pointer is
};

// One attached client: its lease page and what the daemon knows of it. The page is the client's to scribble
// on: the daemon never trusts more of it than one load of one word.
class Reader {
 public:
  static proto::Result<std::shared_ptr<Reader>> create(const ReaderOptions& options);

  const ReaderOptions& options() const { return options_; }
  proto::LeasePage* page() const { return static_cast<proto::LeasePage*>(page_.data()); }

  // Descriptors for the client.
  proto::Result<proto::UniqueFd> export_lease() const;
  proto::Result<proto::UniqueFd> export_wake_pipe() const { return wake_pipe_.export_reader(); }
  proto::Result<proto::UniqueFd> export_bell() const;
  int bell() const { return bell_.get(); }  // for ReaderBells

  // Any thread. True if the client sleeps for a frame, or is about to: it is then the caller's to wake().
  bool claim_sleeper();
  // Costs the same whatever the client does: it wakes one thread, and he his siblings.
  void wake();
  // Publisher thread. Writes to the pipe if the client is armed; never blocks, but whoever polls the other
  // end costs time.
  void signal_pipe();

  // Any thread. Whether the client sleeps, or polls its pipe.
  bool waits() const;

  // Any thread. The latest moment that the client wants confirmed, it says.
  uint64_t asked_ns() const { return page()->asked_ns.load(std::memory_order_seq_cst); }
  // Pump thread. Whether that has come, by `now_ns`, and is later than what is confirmed; counts each wish
  // once.
  bool has_wish(uint64_t confirmed_ns, uint64_t now_ns);

  // What the client claims to hold now; any thread.
  uint32_t leases_claimed() const;

  std::atomic<bool> subscribed{true};  // false: it holds leases but asks for no frames
  std::atomic<uint64_t> drops_caused{0};
  std::atomic<uint64_t> leases_broken{0};
  std::atomic<uint64_t> confirmations_asked{0};

  // Pump thread. When this reader was first seen to hold the frame that a slot holds: the lease guarantee
  // counts from there, and taking the same frame again does not renew it.
  struct Pin {
    uint64_t sequence = 0;
    uint64_t since_ns = 0;
  };
  std::array<Pin, proto::kMaxSlots> pins{};

 private:
  Reader() = default;

  ReaderOptions options_;
  SharedPage page_;
  WakePipe wake_pipe_;  // if the client wants one
  proto::UniqueFd bell_;
  uint64_t counted_ns_ = 0;  // pump thread; the last wish that was counted
};

// A reader as the ring scans it: with many clients each further pointer to follow is a cache miss.
struct ReaderEntry {
  explicit ReaderEntry(std::shared_ptr<Reader> owner)
      : reader(std::move(owner)),
        client(reader->options().client),
        leases(reader->page()->leases, reader->options().max_leases) {}

  std::shared_ptr<Reader> reader;
  uint32_t client;
  std::span<const std::atomic<uint64_t>> leases;
};
using ReaderList = std::vector<ReaderEntry>;  // those of one client stand side by side

// Any thread. A snapshot costs a lock that is only ever held for a pointer copy.
class ReaderTable {
 public:
  ReaderTable();
  std::shared_ptr<const ReaderList> snapshot() const;
  void add(std::shared_ptr<Reader> reader);
  void remove(const Reader* reader);
  size_t subscribers() const;

 private:
  void replace(ReaderList readers);

  std::mutex writers_;  // one change of the list at a time
  mutable std::mutex mutex_;
  std::shared_ptr<const ReaderList> readers_;
};

}  // namespace framering::daemon
