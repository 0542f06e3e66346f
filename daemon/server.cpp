#include "daemon/server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <exception>
#include <utility>

#include "daemon/frame.h"
#include "daemon/subject.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::UniqueFd;

namespace {

// New clients before the present ones get their turn.
constexpr int kAcceptsPerTurn = 16;
// A process or system out of descriptors stays so for a while; without a pause it would spin on the waiting
// client.
constexpr std::chrono::milliseconds kAcceptRetry{100};

}  // namespace

Server::Server(boost::asio::io_context& io, Listener listener, StreamRegistry& streams,
               DesktopWatcher& desktop, Quota& quota, const Options& options)
    : io_(io),
      path_(listener.path()),
      listener_(std::move(listener)),
      acceptor_(io, listener_.fd()),
      retry_timer_(io),
      idle_timer_(io),
      change_timer_(io),
      idle_time_(options.idle_time),
      on_idle_(options.on_idle),
      streams_(streams),
      desktop_(desktop),
      rules_(rules_of(options)),
      policy_(policy_now()),
      handed_(options.handed),
      reload_(options.reload),
      quota_(quota) {
  streams_.on_change([this] { tell_change_soon(); });
  desktop_.on_change([this] { tell_change(); });
}

Server::~Server() {
  streams_.on_change({});
  desktop_.on_change({});
  sessions_.clear();  // their tickets go back to the quota
  acceptor_.release();
}

void Server::start() {
  wait_for_clients();
  wait_idle();
}

void Server::wait_idle() {
  if (!idle_time_ || !sessions_.empty()) return;
  idle_timer_.expires_after(*idle_time_);
  idle_timer_.async_wait([this](boost::system::error_code error) {
    if (error || !sessions_.empty()) return;
    on_idle_();
    wait_idle();
  });
}

void Server::wait_for_clients() {
  acceptor_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                       [this](boost::system::error_code error) {
                         if (!error) accept_some();
                       });
}

void Server::accept_some() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    UniqueFd socket(accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (socket) {
      starved_ = false;
      admit(std::move(socket));
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      if (!std::exchange(starved_, true)) {
        log_.warn("cannot accept clients: out of descriptors or memory; see LimitNOFILE or ulimit -n",
                  now_ns());
      }
      retry_timer_.expires_after(kAcceptRetry);
      retry_timer_.async_wait([this](boost::system::error_code error) {
        if (!error) wait_for_clients();
      });
      return;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      break;
    }
  }
  wait_for_clients();
}

void Server::admit(UniqueFd socket) {
  ++connects_;
  auto peer = check(socket);
  if (!peer) {
    denials_.count(peer.error().code);
    if (peer.error().code != ErrorCode::kPermissionDenied) {  // check() has told of that
      log_.warn("refused a client: " + peer.error().text(), now_ns());
    }
    // It is told if it can be told without waiting.
    [[maybe_unused]] const auto told = proto::send_packet(socket.get(), proto::encode({0, peer.error()}));
    return;
  }
  try {
    auto session = std::make_shared<Session>(io_, *this, *std::move(peer));
    sessions_.emplace(session.get(), session);
    session->start();
  } catch (const std::exception& error) {  // of memory, or of descriptors to watch
    log_.warn(std::string("cannot serve a client: ") + error.what(), now_ns());
  }
}

proto::Result<Session::Peer> Server::check(UniqueFd& socket) {
  const auto credentials = proto::peer_credentials(socket.get());
  if (!credentials) return credentials.error();
  const uint32_t uid = credentials->uid;
  const std::string user = "user " + std::to_string(uid);
  Subject subject = subject_of(*credentials, socket.get());
  const QuotaLimits limits = limits_of(subject);
  if (!quota_.admit_connect(uid, limits, now_ns())) {
    return Error{ErrorCode::kQuotaExceeded, user + " connects too often",
                 "keep the connection and open streams over it"};
  }
  if (const Verdict verdict = policy_.may_attach(subject); !verdict.allowed) {
    access_log_.write({false, "", verdict.reason}, *credentials, subject, now_ns());
    return Error{ErrorCode::kPermissionDenied, user + " may not attach to this daemon: " + verdict.reason,
                 "join the group framering and log in anew, or start frameringd with --allow-uid " +
                     std::to_string(uid)};
  }
  auto ticket = quota_.add_client(uid, limits);
  if (!ticket) return ticket.error();
  auto pidfd = proto::peer_pidfd(socket.get());
  if (!pidfd) return pidfd.error();
  return Session::Peer{*credentials, std::move(subject), std::move(socket), *std::move(pidfd),
                       *std::move(ticket)};
}

proto::ListReply Server::list() const {
  proto::ListReply reply;
  size_t listed = 0;
  for (const auto& stream : streams_.streams()) {
    proto::StreamInfo info = stream->info();
    for (const auto& [key, session] : sessions_) {
      for (proto::ClientInfo& client : session->clients_of(*stream)) {
        ++info.client_count;
        if (++listed <= proto::kMaxListedClients) info.clients.push_back(std::move(client));
      }
    }
    std::ranges::sort(info.clients, {}, &proto::ClientInfo::pid);
    reply.streams.push_back(std::move(info));
  }
  return reply;
}

std::vector<std::string> Server::silent_streams() {
  std::vector<std::string> silent;
  for (const auto& stream : streams_.streams()) {
    if (!stream->is_alive()) silent.push_back(stream->options().source);
    stream->ask_for_life();
  }
  return silent;
}

std::string Server::status() const {
  std::string text = std::to_string(sessions_.size()) + (sessions_.size() == 1 ? " client" : " clients");
  for (const auto& stream : streams_.streams()) {
    const proto::StreamInfo info = stream->info();
    text += "; " + info.source + ": ";
    text += info.available ? std::to_string(info.width) + "x" + std::to_string(info.height) + ", " +
                                 std::string(proto::memory_name(info.memory)) + " memory"
                           : "unavailable, " + info.reason;
  }
  return text;
}

void Server::find_stream(const Session& session, const std::string& source, StreamRegistry::Done done) {
  const auto name = SourceName::parse(source);
  if (!name) return done(name.error());
  streams_.find(
      *name, [&] { return quota_.add_source(session.credentials().uid, limits_of(session.subject())); },
      [this, weak = session.weak_from_this(), name = *name,
       done = std::move(done)](proto::Result<std::shared_ptr<Stream>> found) {
        const auto asker = weak.lock();
        if (!asker) return;
        if (found) tell_desktop_state(**found);  // before anybody subscribes
        done(found ? std::move(found) : visible_to(*asker, name, std::move(found.error())));
      });
}

proto::Result<Quota::Ticket> Server::add_stream(const Session& session, uint32_t leases) {
  return quota_.add_stream(session.credentials().uid, limits_of(session.subject()), leases);
}

void Server::warn(const Session& session, const std::string& line) {
  const proto::PeerCredentials& peer = session.credentials();
  log_.warn("client " + std::to_string(peer.pid) + " of user " + std::to_string(peer.uid) + ": " + line,
            now_ns());
}

void Server::remove(Session& session) {
  if (desktop_session_ == &session) withdraw_desktop();
  // Later: the session is still at work.
  boost::asio::post(io_, [this, key = &session, weak = session.weak_from_this()] {
    if (weak.lock()) sessions_.erase(key);
    wait_idle();
  });
}

}  // namespace framering::daemon
