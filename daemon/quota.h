// What each user may take of the daemon, so that none can keep it from the others. What is counted is the
// user's, over all his processes; the limits are those of the process that asks. Io thread only.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/byte_account.h"
#include "proto/message.h"
#include "proto/result.h"

namespace framering::daemon {

struct QuotaLimits {
  uint64_t clients = 1024;  // of all users together
  uint64_t clients_per_uid = 512;
  uint64_t streams_per_uid = 1024;             // open streams, over all clients of the user
  uint64_t sources_per_uid = 16;               // streams that run because this user opened them first
  uint64_t bytes_per_uid = uint64_t{4} << 30;  // pixels of those, in all slots
  uint64_t leases_per_uid = 2048;              // max_leases of open streams, added up
  uint64_t connects_per_second = 500;          // by one user; as many at once after a quiet second

  friend bool operator==(const QuotaLimits&, const QuotaLimits&) = default;
};

// How the configuration calls them.
struct QuotaKey {
  const char* name;
  uint64_t QuotaLimits::*limit;
  uint64_t most = 1'000'000;  // 1 at least
};
inline constexpr QuotaKey kClientsQuota{"clients", &QuotaLimits::clients};
inline constexpr std::array kUserQuotas{
    QuotaKey{"clients_per_uid", &QuotaLimits::clients_per_uid},
    QuotaKey{"streams_per_uid", &QuotaLimits::streams_per_uid},
    QuotaKey{"sources_per_uid", &QuotaLimits::sources_per_uid},
    QuotaKey{"bytes_per_uid", &QuotaLimits::bytes_per_uid, uint64_t{1} << 40},
    QuotaKey{"leases_per_uid", &QuotaLimits::leases_per_uid},
    QuotaKey{"connects_per_second", &QuotaLimits::connects_per_second},
};

// One limit that a rule of the policy sets for those whom it is for.
struct QuotaChange {
  uint64_t QuotaLimits::*limit;
  uint64_t value;

  friend bool operator==(const QuotaChange&, const QuotaChange&) = default;
};
QuotaLimits changed(QuotaLimits limits, const std::vector<QuotaChange>& changes);

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
  // A stream on demand, and who pays for its memory.
  struct Source {
    Ticket ticket;
    std::shared_ptr<ByteAccount> account;
  };

  // From now on; who has more keeps it. Where no rule says otherwise.
  void set_limits(const QuotaLimits& limits) { limits_ = limits; }
  const QuotaLimits& limits() const { return limits_; }

  // False where the user connects too fast. `now_ns`: CLOCK_MONOTONIC.
  bool admit_connect(uint32_t uid, const QuotaLimits& limits, uint64_t now_ns);
  // kQuotaExceeded names the limit.
  proto::Result<Ticket> add_client(uint32_t uid, const QuotaLimits& limits);
  proto::Result<Ticket> add_stream(uint32_t uid, const QuotaLimits& limits, uint32_t leases);
  proto::Result<Source> add_source(uint32_t uid, const QuotaLimits& limits);

  // What the user has, of all that is counted, beside these limits.
  std::vector<proto::QuotaUse> usage(uint32_t uid, const QuotaLimits& limits) const;

 private:
  struct Usage {
    uint32_t clients = 0, streams = 0, leases = 0, sources = 0;
    std::shared_ptr<ByteAccount> account{};
    double connect_tokens = 0;
    uint64_t refilled_ns = 0;
  };

  Ticket ticket(uint32_t uid);
  void forget_idle(uint64_t now_ns);

  QuotaLimits limits_;
  uint32_t clients_ = 0;
  std::unordered_map<uint32_t, Usage> users_;
};

}  // namespace framering::daemon
