// Two clients that send what they like, hang up and die, against the daemon's sessions: in one process and
// one thread, so that an input always does the same. An input is a sequence of steps, each a byte and what it
// needs:
//   bits 0-2  what: greet, list, open, close, speak as a daemon, send a packet of bytes, hang up, die
//   bit 3     which client
//   bit 4     leave the answer unread
//   bits 5-7  how many descriptors go with it
// The well-formed requests lead deep into a session; the packets are arbitrary.
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "daemon/memory/host_pool.h"
#include "daemon/session.h"
#include "tests/fuzz/require.h"

namespace framering::fuzz {
namespace {

using namespace framering::daemon;
using proto::UniqueFd;

constexpr size_t kClients = 2;
constexpr int kMaxSteps = 32;
constexpr uint32_t kUser = 1000;
constexpr QuotaLimits kLimits{.clients = 8, .clients_per_uid = 8, .streams_per_uid = 6, .leases_per_uid = 24};

size_t open_fds() {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

// What main() and Server do, as far as sessions see it: one source that is there and one that is gone.
class Host final : public SessionHost {
 public:
  Host() {
    epoch_->geometry = {8, 8, PixelFormat::kBgrx8888};
    epoch_->pool = *HostPool::create(epoch_->geometry, proto::kMinSlots);
    require(bool(epoch_->pool->seal()), "the pool is sealed");
    epoch_->ring = *Ring::create({.geometry = epoch_->geometry,
                                  .slot_count = proto::kMinSlots,
                                  .slot_bytes = epoch_->pool->slot_bytes()});
    streams_[0]->set_epoch(epoch_);
    streams_[1]->set_epoch(epoch_);
    streams_[2]->set_unavailable("unplugged");
  }

  proto::ListReply list() const override {
    proto::ListReply reply;
    for (const auto& stream : streams_) {
      reply.streams.push_back(stream->info());
      for (const auto& [key, session] : sessions_) {
        for (auto& client : session->clients_of(*stream)) {
          reply.streams.back().clients.push_back(std::move(client));
        }
      }
    }
    return reply;
  }
  // "late" opens a turn of the loop later.
  void find_stream(const Session&, const std::string& source,
                   std::function<void(proto::Result<std::shared_ptr<Stream>>)> done) override {
    for (const auto& stream : streams_) {
      if (stream->options().source != source) continue;
      if (source != "late") return done(stream);
      boost::asio::post(io_, [done = std::move(done), stream] { done(stream); });
      return;
    }
    done(proto::Error{proto::ErrorCode::kNotFound, "there is no source \"" + source + "\" here", {}});
  }
  proto::Result<Quota::Ticket> add_stream(const Session&, uint32_t leases) override {
    return quota_.add_stream(kUser, kLimits, leases);
  }
  // A turn of the loop later, as the real one.
  void find_desktop(const Session&, std::function<void(proto::Body)> done) override {
    proto::DesktopReply desktop{.display = ":7", .width = 8, .height = 8};
    desktop.monitors = {{.name = "VIRTUAL", .width = 8, .height = 8}};
    desktop.windows = {{.id = 7, .title = "window"}};
    boost::asio::post(io_, [done = std::move(done), desktop] { done(desktop); });
  }
  void count_watching(int change) override {
    watching_ += change;
    require(watching_ >= 0 && watching_ <= static_cast<int>(kClients), "a session watches once");
  }
  void clients_changed() override {
    boost::asio::post(io_, [this] {
      for (const auto& [key, session] : sessions_) session->tell_change();
    });
  }
  std::string metrics() const override { return "# of nothing\n"; }
  void count(proto::ErrorCode) override {}
  proto::Status may_open(const Session&, const std::string& source,
                         std::optional<proto::MemoryKind> memory) override {
    if (memory || source != "denied") return proto::Ok{};
    return proto::Error{proto::ErrorCode::kPermissionDenied, "not this one", {}};
  }
  proto::Body explain(const Session&, const proto::PolicyRequest& request) const override {
    return proto::PolicyReply{request.source != "denied", "so says the policy", {}};
  }
  proto::Body take_display(const Session&, proto::DisplayRequest, UniqueFd socket) override {
    require(bool(socket), "a display comes with a descriptor");
    return proto::DisplayReply{};
  }
  proto::Body reload(const Session&) override { return proto::ReloadReply{}; }
  void warn(const Session&, const std::string& line) override {
    require(!line.empty(), "a warning says something");
  }
  void remove(Session& session) override {
    boost::asio::post(io_, [this, key = &session] { sessions_.erase(key); });
  }

  void admit(UniqueFd socket, UniqueFd pidfd) {
    auto ticket = quota_.add_client(kUser, kLimits);
    require(bool(ticket), "clients that are gone take no part of the quota");
    auto session = std::make_shared<Session>(
        io_, *this,
        Session::Peer{{1, kUser, kUser}, {}, std::move(socket), std::move(pidfd), *std::move(ticket)});
    sessions_.emplace(session.get(), session);
    session->start();
  }
  void run() {
    io_.restart();
    io_.poll();
  }
  bool takes_all_leases() { return bool(quota_.add_stream(kUser, kLimits, kLimits.leases_per_uid)); }
  size_t sessions() const { return sessions_.size(); }
  int watching() const { return watching_; }
  size_t readers() const { return epoch_->readers.snapshot()->size(); }

 private:
  boost::asio::io_context io_;
  Quota quota_{kLimits};
  const std::shared_ptr<Epoch> epoch_ = std::make_shared<Epoch>();
  const std::shared_ptr<Stream> streams_[3] = {*Stream::create({.source = "screen", .slot_count = 3}),
                                               *Stream::create({.source = "late", .slot_count = 3}),
                                               *Stream::create({.source = "lost", .slot_count = 3})};
  std::map<const Session*, std::shared_ptr<Session>> sessions_;
  int watching_ = 0;
};

// A client process: its end of the socket, and its death.
class Client {
 public:
  explicit Client(Host& host) : host_(host), life_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    int ends[2];
    require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "there is a socket");
    socket_ = UniqueFd(ends[1]);
    host_.admit(UniqueFd(ends[0]), UniqueFd(dup(life_.get())));
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::span<const std::byte> packet, size_t fd_count) {
    const std::vector<int> fds(fd_count, life_.get());
    unanswered_ += bool(proto::send_packet(socket_.get(), packet, fds));
    host_.run();
  }
  void read_answers() {
    for (;;) {
      const auto received = proto::receive_packet(socket_.get());
      if (!received || received->state != proto::ReceiveState::kPacket) return;
      const auto message = proto::decode(received->packet.bytes);
      require(bool(message), "a client can read its answer");
      if (const auto* error = std::get_if<proto::Error>(&message->body)) {
        require(!error->message.empty(), "an error says why");
        // The last word, about no request, may follow an answer.
        unanswered_ += message->request_id == 0;
      }
      require(unanswered_-- > 0, "a request gets one answer");
      const auto* opened = std::get_if<proto::OpenReply>(&message->body);
      const bool has_one = std::holds_alternative<proto::MetricsReply>(message->body) ||
                           std::holds_alternative<proto::WatchReply>(message->body);
      require(received->packet.fds.size() == (opened ? opened->fd_roles.size() : size_t{has_one}),
              "descriptors come with an open stream, one for each role, with metrics and with a watch");
      require(!opened || greeted_, "who has not greeted gets no stream");
      greeted_ |= std::holds_alternative<proto::Welcome>(message->body);
    }
  }
  // Last of all.
  void die() {
    const uint64_t dead = 1;
    require(write(life_.get(), &dead, sizeof dead) == sizeof dead, "a process dies");
    socket_.reset();
    host_.run();
  }
  void hang_up() {
    socket_.reset();
    host_.run();
  }
  bool has_hung_up() const { return !socket_; }
  bool greeted() const { return greeted_; }

 private:
  Host& host_;
  const UniqueFd life_;
  UniqueFd socket_;
  bool greeted_ = false;
  int unanswered_ = 0;
};

class Steps {
 public:
  explicit Steps(std::span<const std::byte> input) : rest_(input) {}
  bool more() const { return !rest_.empty(); }
  uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto value = static_cast<uint8_t>(rest_.front());
    rest_ = rest_.subspan(1);
    return value;
  }
  std::vector<std::byte> bytes() {
    const size_t low = byte();
    const size_t size = std::min(low | size_t{byte()} << 8, rest_.size());
    const auto bytes = rest_.first(size);
    rest_ = rest_.subspan(size);
    return {bytes.begin(), bytes.end()};
  }

 private:
  std::span<const std::byte> rest_;
};

enum What : uint8_t { kGreet, kList, kOpen, kClose, kSpeakAsDaemon, kBytes, kHangUp, kDie };

std::vector<std::byte> packet(What what, Steps& steps) {
  const auto request = [](proto::Body body) { return proto::encode({1, std::move(body)}); };
  switch (what) {
    case kGreet: {
      const uint8_t name = steps.byte();
      const uint16_t version = name == 255 ? 2 : proto::kProtocolVersion;
      return request(proto::Hello{version, std::string(name % (proto::kMaxClientName + 2), 'n')});
    }
    case kList:
      switch (steps.byte() % 3) {
        case 0:
          return request(proto::ListRequest{});
        case 1:
          return request(proto::DesktopRequest{});
        default:
          return request(proto::WatchRequest{});
      }
    case kOpen: {
      constexpr const char* kSources[] = {"screen", "lost", "late", "denied"};
      const uint8_t how = steps.byte();
      return request(proto::OpenRequest{kSources[how & 3], static_cast<proto::MemoryKind>(how >> 2 & 7),
                                        static_cast<uint16_t>(steps.byte() % (proto::kMaxLeases + 2)), 30,
                                        (how & 0x80) != 0});
    }
    case kClose:
      return request(proto::CloseRequest{steps.byte()});
    case kSpeakAsDaemon:
      switch (steps.byte() % 4) {
        case 0:
          return request(proto::Welcome{});
        case 1:
          return request(proto::ListReply{});
        case 2:
          return request(proto::CloseReply{});
        default:
          return request(proto::Error{});
      }
    default:
      return steps.bytes();
  }
}

void play(Host& host, Steps steps) {
  std::optional<Client> clients[kClients];
  const auto end = [](std::optional<Client>& client) {
    if (client) client->die();
    client.reset();
  };
  bool anybody_greeted = false;
  for (int i = 0; i < kMaxSteps && steps.more(); ++i) {
    const uint8_t head = steps.byte();
    const auto what = static_cast<What>(head & 7);
    std::optional<Client>& client = clients[head >> 3 & 1];
    if (client && client->has_hung_up()) end(client);
    if (!client) client.emplace(host);
    if (what == kDie) {
      end(client);
    } else if (what == kHangUp) {
      client->hang_up();
    } else {
      client->send(packet(what, steps), head >> 5);
      if ((head & 0x10) == 0) client->read_answers();
    }
    for (const auto& each : clients) anybody_greeted |= each && each->greeted();
    require(host.readers() == 0 || anybody_greeted, "who has not greeted reads nothing");
  }
  for (auto& client : clients) {
    if (client && !client->has_hung_up()) client->read_answers();
    end(client);
  }
}

}  // namespace
}  // namespace framering::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace framering::fuzz;
  static Host host;
  // What the host keeps from its first client on is not a leak of the input's.
  static const bool warm = (Client(host).die(), true);
  require(warm, "the host is ready");
  const size_t fds = open_fds();
  play(host, Steps(std::as_bytes(std::span(data, size))));
  require(host.sessions() == 0, "dead clients leave no session");
  require(host.readers() == 0, "dead clients leave no reader");
  require(bool(host.takes_all_leases()), "dead clients hold no leases");
  require(host.watching() == 0, "dead clients watch nothing");
  require(open_fds() == fds, "dead clients leave no descriptor");
  return 0;
}
