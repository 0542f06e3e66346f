// What each user may take of the daemon, so that none can keep it from the others. Io thread only.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <utility>

#include "proto/result.h"

namespace framering::daemon {

struct QuotaLimits {
  uint32_t clients = 1024;  // of all users together
  uint32_t clients_per_uid = 512;
  uint32_t streams_per_uid = 1024;     // open streams, over all clients of the user
  uint32_t sources_per_uid = 16;       // streams that run because this user opened them first
  uint32_t leases_per_uid = 2048;      // max_leases of those, added up
  uint32_t connects_per_second = 500;  // by one user; as many at once after a quiet second

  friend bool operator==(const QuotaLimits&, const QuotaLimits&) = default;
};

class Quota {
 public:
  explicit Quota(const QuotaLimits& limits) : limits_(limits) {}
  Quota(const Quota&) = delete;
  Quota& operator=(const Quota&) = delete;

  // Gives back what it stands for when destroyed; the quota outlives its tickets.
  class Ticket {
   public:
    Ticket() = default;
    Ticket(Ticket&& other) noexcept { *this = std::move(other); }
    Ticket& operator=(Ticket&& other) noexcept;
    ~Ticket();

   private:
    friend class Quota;
    Quota* quota_ = nullptr;
    uint32_t uid_ = 0;
    uint32_t clients_ = 0, streams_ = 0, leases_ = 0, sources_ = 0;
  };

  // False where the user connects too fast. `now_ns`: CLOCK_MONOTONIC.
  bool admit_connect(uint32_t uid, uint64_t now_ns);
  // kQuotaExceeded names the limit.
  proto::Result<Ticket> add_client(uint32_t uid);
  proto::Result<Ticket> add_stream(uint32_t uid, uint32_t leases);
  proto::Result<Ticket> add_source(uint32_t uid);

 private:
  struct Usage {
    uint32_t clients = 0, streams = 0, leases = 0, sources = 0;
    double connect_tokens = 0;
    uint64_t refilled_ns = 0;
  };

  void forget_idle(uint64_t now_ns);

  const QuotaLimits limits_;
  uint32_t clients_ = 0;
  std::unordered_map<uint32_t, Usage> users_;
};

}  // namespace framering::daemon
