#include "daemon/session.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "daemon/shared_page.h"
#include "daemon/source_name.h"

namespace framering::daemon {

using proto::Body;
using proto::Error;
using proto::ErrorCode;
using proto::FdRole;
using proto::UniqueFd;

namespace {

// Packets of one client before the others get their turn.
constexpr int kPacketsPerTurn = 8;

Error out_of_order(const std::string& what) {
  return Error{ErrorCode::kProtocol, what, {}};
}

Error not_open(uint32_t stream_id) {
  return Error{ErrorCode::kNotFound, "stream " + std::to_string(stream_id) + " is not open here", {}};
}

}  // namespace

Session::Session(boost::asio::io_context& io, SessionHost& host, Peer peer)
    : host_(host),
      credentials_(peer.credentials),
      subject_(std::move(peer.subject)),
      ticket_(std::move(peer.ticket)),
      socket_(io, peer.socket.release()),
      pidfd_(io, peer.pidfd.release()),
      greeting_timer_(io) {}

void Session::start() {
  wait_for_packet();
  wait_for_death();
  greeting_timer_.expires_after(std::chrono::milliseconds(proto::kHandshakeTimeoutMs));
  greeting_timer_.async_wait([self = weak_from_this()](boost::system::error_code error) {
    const auto session = self.lock();
    if (!error && session && !session->greeted_) {
      session->drop({ErrorCode::kTimeout, "no greeting within 2 s", {}});
    }
  });
}

void Session::wait_for_packet() {
  socket_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                     [self = weak_from_this()](boost::system::error_code error) {
                       const auto session = self.lock();
                       if (!error && session) session->read_packets();
                     });
}

void Session::wait_for_death() {
  pidfd_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                    [self = weak_from_this()](boost::system::error_code error) {
                      const auto session = self.lock();
                      if (error || !session) return;
                      // Asio may give it the events of a descriptor that was closed a moment ago.
                      if (!proto::has_died(session->pidfd_.native_handle())) return session->wait_for_death();
                      // A forked child may still hold the socket: it is nobody's now.
                      if (!session->opened_.empty()) session->host_.clients_changed();
                      session->opened_.clear();
                      session->hang_up();
                    });
}

void Session::read_packets() {
  for (int i = 0; i < kPacketsPerTurn; ++i) {
    auto received = proto::receive_packet(socket_.native_handle());
    if (!received) return drop(received.error());
    if (received->state == proto::ReceiveState::kClosed) return hang_up();
    if (received->state == proto::ReceiveState::kWouldBlock) break;
    if (!handle(std::move(received->packet))) return;
  }
  wait_for_packet();
}

bool Session::handle(proto::Packet packet) {
  auto message = proto::decode(packet.bytes);
  const bool may_send_fds = message && std::holds_alternative<proto::DisplayRequest>(message->body);
  if (packet.fds.size() != size_t{may_send_fds}) {
    drop(
        out_of_order(may_send_fds ? "a display comes with one descriptor" : "a client sends no descriptors"));
    return false;
  }
  if (!message) {
    drop(message.error());
    return false;
  }
  if (greeted_ == std::holds_alternative<proto::Hello>(message->body)) {
    drop(out_of_order(greeted_ ? "a second greeting" : "the first message must be a greeting"));
    return false;
  }
  const auto answered = answer(message->request_id, message->body, std::move(packet.fds));
  return answered && reply(message->request_id, *answered);
}

std::optional<Session::Answer> Session::answer(uint32_t request_id, Body& request,
                                               std::vector<UniqueFd> fds) {
  if (const auto* hello = std::get_if<proto::Hello>(&request)) return Answer{greet(*hello)};
  if (std::holds_alternative<proto::ListRequest>(request)) {
    arm_watch();
    return Answer{host_.list()};
  }
  if (std::holds_alternative<proto::DesktopRequest>(request)) return find_desktop(request_id);
  if (std::holds_alternative<proto::WatchRequest>(request)) return watch();
  if (const auto* to_open = std::get_if<proto::OpenRequest>(&request)) {
    return find_and_open(request_id, *to_open);
  }
  if (const auto* to_close = std::get_if<proto::CloseRequest>(&request)) return Answer{close(*to_close)};
  if (std::holds_alternative<proto::MetricsRequest>(request)) return metrics();
  if (const auto* to_explain = std::get_if<proto::PolicyRequest>(&request)) {
    return Answer{host_.explain(*this, *to_explain)};
  }
  if (auto* display = std::get_if<proto::DisplayRequest>(&request)) {
    return Answer{host_.take_display(*this, std::move(*display), std::move(fds.front()))};
  }
  if (std::holds_alternative<proto::ReloadRequest>(request)) return Answer{host_.reload(*this)};
  return Answer{out_of_order("a client sends requests only")};
}

// One answer a request, in order: until then nothing more of this client is read.
void Session::answer_later(uint32_t request_id, const Answer& answer) {
  if (socket_.is_open() && reply(request_id, answer)) read_packets();
}

bool Session::reply(uint32_t request_id, const Answer& answer) {
  if (const auto sent = send(request_id, answer.body, answer.fds); !sent) {
    host_.warn(*this, sent.error().text());
    // Its descriptors did not leave: nobody can read that stream.
    if (const auto* opened = std::get_if<proto::OpenReply>(&answer.body)) opened_.erase(opened->stream_id);
    hang_up();
    return false;
  }
  if (greeted_) return true;
  hang_up();  // the greeting was answered with an error
  return false;
}

Body Session::greet(const proto::Hello& hello) {
  if (hello.protocol_version != proto::kProtocolVersion) {
    return Error{ErrorCode::kVersion,
                 "the client speaks protocol " + std::to_string(hello.protocol_version) + ", frameringd " +
                     FRAMERING_VERSION + " speaks " + std::to_string(proto::kProtocolVersion),
                 "install a client library of version " FRAMERING_VERSION};
  }
  greeted_ = true;
  greeting_timer_.cancel();
  name_ = hello.client_name;
  return proto::Welcome{proto::kProtocolVersion, FRAMERING_VERSION, static_cast<uint32_t>(getpid())};
}

std::optional<Session::Answer> Session::find_and_open(uint32_t request_id,
                                                      const proto::OpenRequest& request) {
  // Before anything starts for it; the memory is known only then.
  if (auto may = host_.may_open(*this, request.source, std::nullopt); !may) return Answer{may.error()};
  struct Call {
    bool returned = false;
    std::optional<Answer> answer{};
  };
  const auto call = std::make_shared<Call>();
  // Frames with the pointer in them are another stream.
  const bool embedded =
      request.cursor == proto::CursorMode::kEmbedded && !request.source.ends_with(kWithCursor);
  host_.find_stream(*this, embedded ? request.source + std::string(kWithCursor) : request.source,
                    [self = weak_from_this(), call, request_id,
                     request](const proto::Result<std::shared_ptr<Stream>>& stream) {
                      const auto session = self.lock();
                      if (!session || !session->socket_.is_open()) return;
                      Answer answer = stream ? session->open(**stream, request) : Answer{stream.error()};
                      if (call->returned) return session->answer_later(request_id, answer);
                      call->answer = std::move(answer);
                    });
  call->returned = true;
  return std::move(call->answer);
}

Session::Answer Session::open(Stream& stream, const proto::OpenRequest& request) {
  const auto refused = [](Error error) { return Answer{std::move(error)}; };
  const uint32_t allowed = max_leases_of_client(stream.options().slot_count);
  if (request.max_leases > allowed) {
    return refused({ErrorCode::kQuotaExceeded,
                    std::to_string(request.max_leases) + " leases are too many: of the " +
                        std::to_string(stream.options().slot_count) + " slots of " + request.source +
                        " one client may hold " + std::to_string(allowed),
                    "open it with fewer max_leases, or start frameringd with more --slots"});
  }
  auto ticket = host_.add_stream(*this, request.max_leases);
  if (!ticket) return refused(ticket.error());
  auto attachment = stream.attach({client_key(), request.max_leases, request.max_fps, request.wake_pipe,
                                   request.cursor == proto::CursorMode::kMetadata});
  if (!attachment) return refused(attachment.error());
  const Epoch& epoch = (*attachment)->epoch();
  if (auto may = host_.may_open(*this, request.source, epoch.pool->kind()); !may) return refused(may.error());
  const Reader& reader = (*attachment)->reader();
  if (request.memory != proto::MemoryKind::kAuto && request.memory != epoch.pool->kind()) {
    return refused({ErrorCode::kMemoryUnavailable,
                    "source " + request.source + " is in " +
                        std::string(proto::memory_name(epoch.pool->kind())) + " memory, not in " +
                        std::string(proto::memory_name(request.memory)),
                    "open it with memory=auto"});
  }

  auto pixels = epoch.pool->export_handle();
  if (!pixels) return refused(pixels.error());
  proto::OpenReply reply;
  std::vector<UniqueFd> fds;
  const auto add_fd = [&](FdRole role, proto::Result<UniqueFd> fd) -> proto::Status {
    if (!fd) return fd.error();
    reply.fd_roles.push_back(role);
    fds.push_back(*std::move(fd));
    return proto::Ok{};
  };
  std::vector<proto::Status> added;
  added.push_back(add_fd(FdRole::kControl, epoch.ring->export_control()));
  if (pixels->fd) added.push_back(add_fd(FdRole::kPixels, std::move(pixels->fd)));
  added.push_back(add_fd(FdRole::kLease, reader.export_lease()));
  added.push_back(add_fd(FdRole::kBell, reader.export_bell()));
  if (request.wake_pipe) added.push_back(add_fd(FdRole::kWakePipe, reader.export_wake_pipe()));
  for (const proto::Status& status : added) {
    if (!status) return refused(status.error());
  }
  reply.stream_id = next_stream_id_++;
  reply.layout_version = proto::kLayoutVersion;
  reply.epoch = epoch.ring->options().epoch;
  reply.memory = epoch.pool->kind();
  reply.keepalive_ms = stream.options().keepalive_ms;
  reply.lease_ms = stream.options().lease_ms;
  reply.control_bytes = epoch.ring->control_bytes();
  reply.region_bytes = epoch.pool->slot_bytes() * epoch.pool->slot_count();
  reply.max_leases = request.max_leases;
  reply.device_uuid = pixels->device_uuid;
  reply.memory_handle = std::move(pixels->handle);
  opened_.emplace(reply.stream_id, Opened{*std::move(ticket), *std::move(attachment)});
  host_.clients_changed();
  return Answer{std::move(reply), std::move(fds)};
}

uint32_t Session::client_key() {
  // A process of another pid namespace has no pid here: such clients are told apart by their connections.
  constexpr uint32_t kNoPid = 0x80000000;  // pids have 22 bits
  return credentials_.pid != 0 ? credentials_.pid : kNoPid | static_cast<uint32_t>(socket_.native_handle());
}

Body Session::close(const proto::CloseRequest& request) {
  if (opened_.erase(request.stream_id) == 0) return not_open(request.stream_id);
  host_.clients_changed();
  return proto::CloseReply{};
}

// Of any length, so by a descriptor and not in the message.
Session::Answer Session::metrics() const {
  const std::string text = host_.metrics();
  auto page = SharedPage::create("framering-metrics", text.size());
  if (!page) return Answer{page.error()};
  std::ranges::copy(text, static_cast<char*>(page->data()));
  if (auto sealed = page->seal_writes(); !sealed) return Answer{sealed.error()};
  auto fd = page->reopen_read_only();
  if (!fd) return Answer{fd.error()};
  Answer answer{proto::MetricsReply{text.size()}};
  answer.fds.push_back(*std::move(fd));
  return answer;
}

proto::Status Session::send(uint32_t request_id, const Body& body, const std::vector<UniqueFd>& fds) {
  // Descriptors on their way count against the daemon: one unread message a client, no more.
  const auto unread = proto::unread_by_peer(socket_.native_handle());
  if (!unread) return unread.error();
  if (const auto* error = std::get_if<Error>(&body)) host_.count(error->code);
  if (*unread > 0) return Error{ErrorCode::kUnavailable, "it does not read its answers", {}};
  std::vector<int> numbers;
  numbers.reserve(fds.size());
  for (const UniqueFd& fd : fds) numbers.push_back(fd.get());
  return proto::send_packet(socket_.native_handle(), proto::encode({request_id, body}), numbers);
}

void Session::revoke(const MayKeep& may_keep) {
  for (auto& [id, opened] : opened_) {
    Attachment& attachment = *opened.attachment;
    if (may_keep(attachment.stream().options().source, attachment.epoch().pool->kind())) continue;
    attachment.unsubscribe();
    attachment.stream().renew();
  }
}

void Session::drop(const Error& reason) {
  host_.warn(*this, reason.text());
  [[maybe_unused]] const auto told = send(0, reason);
  hang_up();
}

void Session::hang_up() {
  if (socket_.is_open()) {
    const UniqueFd socket(socket_.release());
    ::shutdown(socket.get(), SHUT_RDWR);  // also for copies that other processes hold
  }
  greeting_timer_.cancel();
  watch_pipe_ = {};
  disarm_watch();
  if (!opened_.empty()) host_.clients_changed();
  std::erase_if(opened_,
                [](const auto& opened) { return opened.second.attachment->reader().leases_claimed() == 0; });
  for (auto& [id, opened] : opened_) opened.attachment->unsubscribe();
  // The frames that it holds are given back when its process is dead.
  if (opened_.empty()) host_.remove(*this);
}

std::vector<proto::ClientInfo> Session::clients_of(const Stream& stream) const {
  std::vector<proto::ClientInfo> clients;
  for (const auto& [id, opened] : opened_) {
    if (&opened.attachment->stream() != &stream) continue;
    const Reader& reader = opened.attachment->reader();
    clients.push_back({credentials_.pid, credentials_.uid, name_,
                       static_cast<uint16_t>(reader.leases_claimed()), reader.drops_caused.load(),
                       reader.leases_broken.load(), reader.confirmations_asked.load()});
  }
  return clients;
}

}  // namespace framering::daemon
