#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "client/src/connection_core.h"
#include "client/src/helper_thread.h"
#include "client/src/process_mark.h"
#include "client/src/wait_linux.h"
#include "framering/error.h"
#include "proto/channel.h"
#include "proto/limits.h"

namespace framering::internal {

using proto::Error;
using proto::ErrorCode;
using proto::UniqueFd;

namespace {

constexpr uint64_t kReplyTimeoutNs = 5'000'000'000;

// The program, for whoever looks at `framering list`; nothing if its name is not plain text.
std::string program_name() {
  const std::string_view name =
      std::string_view(program_invocation_short_name).substr(0, proto::kMaxClientName);
  const bool plain = std::ranges::all_of(name, [](char byte) { return byte >= ' ' && byte <= '~'; });
  return plain ? std::string(name) : std::string();
}

Error disconnected() {
  return Error{ErrorCode::kDisconnected, "the connection to frameringd is lost",
               "connect again once it is back"};
}

// Waits for the socket to be readable or hung up.
bool wait_readable(int socket, uint64_t deadline_ns) {
  for (;;) {
    const uint64_t now = now_ns();
    if (now >= deadline_ns) return false;
    pollfd state{socket, POLLIN, 0};
    const int ready = poll(&state, 1, static_cast<int>((deadline_ns - now) / 1'000'000 + 1));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

}  // namespace

proto::Result<std::string> read_file(int fd, uint64_t bytes) {
  std::string text(bytes, '\0');
  for (size_t done = 0; done < text.size();) {
    const ssize_t got = pread(fd, text.data() + done, text.size() - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Error{ErrorCode::kProtocol, "frameringd's answer cannot be read", {}};
    done += static_cast<size_t>(got);
  }
  return text;
}

ConnectionCore::ConnectionCore(UniqueFd socket, UniqueFd stop_event)
    : process_(process_mark()), socket_(std::move(socket)), stop_event_(std::move(stop_event)) {}

proto::Result<std::shared_ptr<ConnectionCore>> ConnectionCore::connect(const std::string& path,
                                                                       const std::string& client_name) {
  auto socket = proto::connect_socket(path);
  if (!socket) {
    if (socket.error().code == ErrorCode::kUnavailable && socket.error().hint.empty()) {
      socket.error().hint = "start the daemon: frameringd --socket " + path;
    }
    return socket.error();
  }
  UniqueFd stop_event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop_event) return proto::errno_error(ErrorCode::kOutOfMemory, "cannot create an eventfd", errno);
  std::shared_ptr<ConnectionCore> core(new ConnectionCore(*std::move(socket), std::move(stop_event)));
  auto reply = core->request(
      proto::Hello{proto::kProtocolVersion, client_name.empty() ? program_name() : client_name});
  if (!reply) return reply.error();
  auto* welcome = std::get_if<proto::Welcome>(&reply->body);
  if (!welcome) return Error{ErrorCode::kProtocol, "the daemon's greeting is not one", {}};
  if (welcome->protocol_version != proto::kProtocolVersion) {
    return Error{ErrorCode::kVersion,
                 "frameringd " + welcome->daemon_version + " speaks protocol " +
                     std::to_string(welcome->protocol_version) + ", this library " +
                     std::to_string(proto::kProtocolVersion),
                 "install the same version of both"};
  }
  core->welcome_ = std::move(*welcome);
  core->watcher_ = start_helper_thread([&core = *core] { core.watch(); });
  return core;
}

ConnectionCore::~ConnectionCore() {
  if (!watcher_) return;
  if (!in_own_process()) {
    [[maybe_unused]] const auto* never_joined = watcher_.release();  // a forked child has no such thread
    return;
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(stop_event_.get(), &one, sizeof one);
  watcher_->join();
}

bool ConnectionCore::in_own_process() const {
  return process_mark() == process_;
}

void require_own_process(const ConnectionCore& core) {
  if (core.in_own_process()) return;
  throw framering::Error(framering::ErrorCode::forked, "this connection was made by another process",
                         "connect again after fork()");
}

proto::Result<ConnectionCore::Reply> ConnectionCore::request(const proto::Body& body) {
  std::lock_guard lock(request_mutex_);
  if (lost()) return disconnected();
  const uint32_t id = ++request_id_;
  if (auto sent = proto::send_packet(socket_.get(), proto::encode({id, body})); !sent) {
    // A daemon that refuses a client may say why before it hangs up.
    if (sent.error().code != ErrorCode::kDisconnected) return sent.error();
  }
  auto reply = receive(id, now_ns() + kReplyTimeoutNs);
  if (!reply && reply.error().code != ErrorCode::kDisconnected) lose();
  if (!reply) return reply.error();
  if (auto* error = std::get_if<Error>(&reply->body)) return *error;
  return reply;
}

proto::Result<ConnectionCore::Reply> ConnectionCore::receive(uint32_t request_id, uint64_t deadline_ns) {
  if (!wait_readable(socket_.get(), deadline_ns)) {
    return Error{ErrorCode::kTimeout, "frameringd did not answer within 5 s", "is it stopped or overloaded?"};
  }
  auto received = proto::receive_packet(socket_.get());
  if (!received) return received.error();
  if (received->state != proto::ReceiveState::kPacket) return disconnected();
  auto message = proto::decode(received->packet.bytes);
  if (!message) return message.error();
  // An error that is no answer (id 0) is the daemon's last word: why it will not serve this client.
  const bool last_word = message->request_id == 0 && std::holds_alternative<Error>(message->body);
  if (message->request_id != request_id && !last_word) {
    return Error{ErrorCode::kProtocol, "frameringd answered another request", {}};
  }
  return Reply{std::move(message->body), std::move(received->packet.fds)};
}

void ConnectionCore::add_page(proto::LeasePage* page) {
  std::lock_guard lock(pages_mutex_);
  pages_.insert(page);
}

void ConnectionCore::remove_page(proto::LeasePage* page) {
  std::lock_guard lock(pages_mutex_);
  pages_.erase(page);
}

void ConnectionCore::watch() {
  // Not POLLIN: answers are for whoever asked.
  pollfd fds[] = {{socket_.get(), POLLRDHUP, 0}, {stop_event_.get(), POLLIN, 0}};
  while (poll(fds, 2, -1) < 0 && errno == EINTR) {
  }
  if (fds[1].revents == 0) lose();
}

void ConnectionCore::lose() {
  lost_.store(true, std::memory_order_release);
  std::lock_guard lock(pages_mutex_);
  for (proto::LeasePage* page : pages_) {
    page->wake_word.fetch_add(1, std::memory_order_seq_cst);
    wake_all(page->wake_word);
  }
}

}  // namespace framering::internal
