#include "framering/connection.h"

#include <utility>

#include "client/src/connection_core.h"
#include "client/src/errors.h"
#include "client/src/stream_core.h"
#include "client/src/watch_core.h"
#include "proto/channel.h"

namespace framering {

namespace {

StreamInfo to_public(proto::StreamInfo&& from) {
  StreamInfo info;
  info.source = std::move(from.source);
  info.available = from.available;
  info.reason = std::move(from.reason);
  info.epoch = from.epoch;
  info.width = from.width;
  info.height = from.height;
  info.format = static_cast<PixelFormat>(from.format);
  info.memory = static_cast<Memory>(from.memory);
  info.slot_count = from.slot_count;
  info.max_fps = from.max_fps;
  info.captures = from.captures;
  info.published = from.published;
  info.dropped = from.dropped;
  info.client_count = from.client_count;
  for (proto::ClientInfo& client : from.clients) {
    info.clients.push_back({client.pid, client.uid, std::move(client.name), client.leases_held,
                            client.drops_caused, client.leases_broken, client.confirmations_asked});
  }
  return info;
}

}  // namespace

Connection::Connection(std::shared_ptr<internal::ConnectionCore> core) noexcept : core_(std::move(core)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

Connection Connection::connect(const std::string& socket_path, const std::string& client_name) {
  const std::string path = socket_path.empty() ? proto::find_socket_path() : socket_path;
  return Connection(internal::value_or_raise(internal::ConnectionCore::connect(path, client_name)));
}

std::vector<StreamInfo> Connection::list() {
  internal::require_own_process(*core_);
  auto reply = internal::value_or_raise(core_->request(proto::ListRequest{}));
  auto* list = std::get_if<proto::ListReply>(&reply.body);
  if (!list) throw Error(ErrorCode::protocol, "frameringd answered something else");
  std::vector<StreamInfo> streams;
  for (proto::StreamInfo& stream : list->streams) streams.push_back(to_public(std::move(stream)));
  return streams;
}

Desktop Connection::desktop() {
  return internal::ask_desktop(*core_);
}

DesktopWatch Connection::watch_desktop() {
  return DesktopWatch(std::make_unique<internal::WatchCore>(core_));
}

Connection::Verdict Connection::check_policy(uint32_t uid, const std::string& source) {
  internal::require_own_process(*core_);
  auto reply = internal::value_or_raise(core_->request(proto::PolicyRequest{uid, source}));
  auto* verdict = std::get_if<proto::PolicyReply>(&reply.body);
  if (!verdict) throw Error(ErrorCode::protocol, "frameringd answered something else");
  Verdict told{verdict->allowed, std::move(verdict->reason), {}};
  for (proto::QuotaUse& use : verdict->quota)
    told.quota.push_back({std::move(use.name), use.used, use.limit});
  return told;
}

void Connection::reload() {
  internal::require_own_process(*core_);
  const auto reply = internal::value_or_raise(core_->request(proto::ReloadRequest{}));
  if (!std::holds_alternative<proto::ReloadReply>(reply.body)) {
    throw Error(ErrorCode::protocol, "frameringd answered something else");
  }
}

std::string Connection::metrics() {
  internal::require_own_process(*core_);
  const auto reply = internal::value_or_raise(core_->request(proto::MetricsRequest{}));
  const auto* metrics = std::get_if<proto::MetricsReply>(&reply.body);
  if (!metrics || reply.fds.size() != 1)
    throw Error(ErrorCode::protocol, "frameringd answered something else");
  return internal::value_or_raise(internal::read_file(reply.fds[0].get(), metrics->bytes));
}

Stream Connection::open(const OpenOptions& options) {
  internal::require_own_process(*core_);
  return Stream(std::make_shared<internal::StreamCore>(core_, options));
}

const std::string& Connection::daemon_version() const noexcept {
  return core_->welcome().daemon_version;
}
uint32_t Connection::daemon_pid() const noexcept {
  return core_->welcome().daemon_pid;
}

}  // namespace framering
