#include "daemon/quota.h"

#include <algorithm>
#include <string>

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;

namespace {

constexpr size_t kManyUsers = 256;

Error exceeded(const std::string& what, uint32_t limit) {
  return Error{ErrorCode::kQuotaExceeded, what + ": the limit is " + std::to_string(limit),
               "close what is not needed, or raise it in the [quota] table of the configuration"};
}

}  // namespace

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

bool Quota::admit_connect(uint32_t uid, uint64_t now_ns) {
  if (users_.size() > kManyUsers) forget_idle(now_ns);
  const auto burst = static_cast<double>(limits_.connects_per_second);
  const auto [user, is_new] = users_.try_emplace(uid);
  Usage& usage = user->second;
  const double seconds = static_cast<double>(now_ns - usage.refilled_ns) / 1e9;
  usage.connect_tokens = is_new ? burst : std::min(burst, usage.connect_tokens + seconds * burst);
  usage.refilled_ns = now_ns;
  if (usage.connect_tokens < 1) return false;
  usage.connect_tokens -= 1;
  return true;
}

proto::Result<Quota::Ticket> Quota::add_client(uint32_t uid) {
  if (clients_ >= limits_.clients) return exceeded("too many clients in all", limits_.clients);
  Usage& usage = users_[uid];
  if (usage.clients >= limits_.clients_per_uid) {
    return exceeded("too many clients of user " + std::to_string(uid), limits_.clients_per_uid);
  }
  ++clients_;
  ++usage.clients;
  Ticket ticket;
  ticket.quota_ = this;
  ticket.uid_ = uid;
  ticket.clients_ = 1;
  return ticket;
}

proto::Result<Quota::Ticket> Quota::add_stream(uint32_t uid, uint32_t leases) {
  Usage& usage = users_[uid];
  if (usage.streams >= limits_.streams_per_uid) {
    return exceeded("too many open streams of user " + std::to_string(uid), limits_.streams_per_uid);
  }
  if (leases > limits_.leases_per_uid - usage.leases) {
    return exceeded("too many leases of user " + std::to_string(uid), limits_.leases_per_uid);
  }
  ++usage.streams;
  usage.leases += leases;
  Ticket ticket;
  ticket.quota_ = this;
  ticket.uid_ = uid;
  ticket.streams_ = 1;
  ticket.leases_ = leases;
  return ticket;
}

proto::Result<Quota::Ticket> Quota::add_source(uint32_t uid) {
  Usage& usage = users_[uid];
  if (usage.sources >= limits_.sources_per_uid) {
    return exceeded("too many sources started by user " + std::to_string(uid), limits_.sources_per_uid);
  }
  ++usage.sources;
  Ticket ticket;
  ticket.quota_ = this;
  ticket.uid_ = uid;
  ticket.sources_ = 1;
  return ticket;
}

// A user with nothing open and a full bucket is as one never seen.
void Quota::forget_idle(uint64_t now_ns) {
  std::erase_if(users_, [now_ns](const auto& user) {
    const Usage& usage = user.second;
    return usage.clients == 0 && usage.streams == 0 && usage.sources == 0 &&
           now_ns - usage.refilled_ns > 1'000'000'000;
  });
}

}  // namespace framering::daemon
