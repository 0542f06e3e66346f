#include "daemon/quota.h"

#include <algorithm>
#include <string>

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;

namespace {

constexpr size_t kManyUsers = 256;

Error exceeded(const std::string& what, uint64_t limit) {
  return Error{ErrorCode::kQuotaExceeded, what + ": the limit is " + std::to_string(limit),
               "close what is not needed, or raise it in [quota] or the rule's quota in the configuration"};
}

}  // namespace

QuotaLimits changed(QuotaLimits limits, const std::vector<QuotaChange>& changes) {
  for (const QuotaChange& change : changes) limits.*change.limit = change.value;
  return limits;
}

Quota::Ticket& Quota::Ticket::operator=(Ticket&& other) noexcept {
  std::swap(quota_, other.quota_);
  std::swap(uid_, other.uid_);
  std::swap(clients_, other.clients_);
  std::swap(streams_, other.streams_);
  std::swap(leases_, other.leases_);
  std::swap(sources_, other.sources_);
  return *this;
}

Quota::Ticket::~Ticket() {
  if (!quota_) return;
  Usage& usage = quota_->users_[uid_];
  usage.clients -= clients_;
  usage.streams -= streams_;
  usage.leases -= leases_;
  usage.sources -= sources_;
  quota_->clients_ -= clients_;
}

bool Quota::admit_connect(uint32_t uid, const QuotaLimits& limits, uint64_t now_ns) {
  if (users_.size() > kManyUsers) forget_idle(now_ns);
  const auto burst = static_cast<double>(limits.connects_per_second);
  const auto [user, is_new] = users_.try_emplace(uid);
  Usage& usage = user->second;
  const double seconds = static_cast<double>(now_ns - usage.refilled_ns) / 1e9;
  usage.connect_tokens = is_new ? burst : std::min(burst, usage.connect_tokens + seconds * burst);
  usage.refilled_ns = now_ns;
  if (usage.connect_tokens < 1) return false;
  usage.connect_tokens -= 1;
  return true;
}

Quota::Ticket Quota::ticket(uint32_t uid) {
  Ticket ticket;
  ticket.quota_ = this;
  ticket.uid_ = uid;
  return ticket;
}

proto::Result<Quota::Ticket> Quota::add_client(uint32_t uid, const QuotaLimits& limits) {
  if (clients_ >= limits_.clients) return exceeded("too many clients in all", limits_.clients);
  Usage& usage = users_[uid];
  if (usage.clients >= limits.clients_per_uid) {
    return exceeded("too many clients of user " + std::to_string(uid), limits.clients_per_uid);
  }
  ++clients_;
  ++usage.clients;
  Ticket added = ticket(uid);
  added.clients_ = 1;
  return added;
}

proto::Result<Quota::Ticket> Quota::add_stream(uint32_t uid, const QuotaLimits& limits, uint32_t leases) {
  Usage& usage = users_[uid];
  if (usage.streams >= limits.streams_per_uid) {
    return exceeded("too many open streams of user " + std::to_string(uid), limits.streams_per_uid);
  }
  if (uint64_t{usage.leases} + leases > limits.leases_per_uid) {
    return exceeded("too many leases of user " + std::to_string(uid), limits.leases_per_uid);
  }
  ++usage.streams;
  usage.leases += leases;
  Ticket added = ticket(uid);
  added.streams_ = 1;
  added.leases_ = leases;
  return added;
}

proto::Result<Quota::Source> Quota::add_source(uint32_t uid, const QuotaLimits& limits) {
  Usage& usage = users_[uid];
  if (usage.sources >= limits.sources_per_uid) {
    return exceeded("too many sources started by user " + std::to_string(uid), limits.sources_per_uid);
  }
  if (!usage.account) usage.account = std::make_shared<ByteAccount>(uid);
  usage.account->set_limit(limits.bytes_per_uid);
  ++usage.sources;
  Source added{ticket(uid), usage.account};
  added.ticket.sources_ = 1;
  return added;
}

std::vector<proto::QuotaUse> Quota::usage(uint32_t uid, const QuotaLimits& limits) const {
  const auto user = users_.find(uid);
  const Usage none;
  const Usage& has = user == users_.end() ? none : user->second;
  const auto used = [&](uint64_t QuotaLimits::*limit) -> uint64_t {
    if (limit == &QuotaLimits::clients_per_uid) return has.clients;
    if (limit == &QuotaLimits::streams_per_uid) return has.streams;
    if (limit == &QuotaLimits::sources_per_uid) return has.sources;
    if (limit == &QuotaLimits::leases_per_uid) return has.leases;
    if (limit == &QuotaLimits::bytes_per_uid) return has.account ? has.account->used() : 0;
    if (has.refilled_ns == 0) return 0;  // never connected
    const auto left = static_cast<uint64_t>(has.connect_tokens);
    return limits.connects_per_second - std::min(limits.connects_per_second, left);
  };
  std::vector<proto::QuotaUse> uses;
  for (const QuotaKey& key : kUserQuotas) uses.push_back({key.name, used(key.limit), limits.*key.limit});
  return uses;
}

// A user with nothing open and a full bucket is as one never seen.
void Quota::forget_idle(uint64_t now_ns) {
  std::erase_if(users_, [now_ns](const auto& user) {
    const Usage& usage = user.second;
    return usage.clients == 0 && usage.streams == 0 && usage.sources == 0 &&
           (!usage.account || usage.account->used() == 0) && now_ns - usage.refilled_ns > 1'000'000'000;
  });
}

}  // namespace framering::daemon
