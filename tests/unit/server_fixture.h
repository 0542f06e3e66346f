// A server with streams of its own and no pump, driven by the test's own thread, and clients at the other
// ends of its sockets.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "daemon/desktop_watcher.h"
#include "daemon/memory/host_pool.h"
#include "daemon/server.h"
#include "proto/channel.h"
#include "tests/support/temp_folder.h"

namespace framering::daemon {

using proto::Body;
using proto::Error;
using proto::ErrorCode;
using proto::UniqueFd;

inline void PrintTo(ErrorCode code, std::ostream* out) {
  *out << "ErrorCode " << static_cast<int>(code);
}

inline constexpr uid_t kForeigner = 65534;

class ServerTest : public ::testing::Test {
 protected:
  // One client's end of a connection. Receiving runs the server until the message is there.
  class Peer {
   public:
    Peer(ServerTest& test, UniqueFd socket) : test_(&test), socket_(std::move(socket)) {}

    int socket() const { return socket_.get(); }
    void hang_up() { socket_.reset(); }

    void send_bytes(std::span<const std::byte> bytes, const std::vector<int>& fds = {}) const {
      const auto sent = proto::send_packet(socket_.get(), bytes, fds);
      ASSERT_TRUE(sent) << sent.error().text();
    }
    void send(const Body& body) { send_bytes(proto::encode({++request_id_, body})); }

    // Nothing where the server hung up.
    std::optional<proto::Message> receive() {
      EXPECT_TRUE(test_->run_until([&] {
        pollfd state{socket_.get(), POLLIN, 0};
        return poll(&state, 1, 0) > 0;
      }));
      auto received = proto::receive_packet(socket_.get());
      if (!received) throw std::runtime_error(received.error().text());
      if (received->state != proto::ReceiveState::kPacket) return std::nullopt;
      fds_ = std::move(received->packet.fds);
      auto message = proto::decode(received->packet.bytes);
      if (!message) throw std::runtime_error(message.error().text());
      return *std::move(message);
    }

    // Throws where the answer is another.
    template <class Reply>
    Reply ask(const Body& request) {
      send(request);
      auto answer = receive();
      if (!answer) throw std::runtime_error("the server hung up");
      EXPECT_EQ(answer->request_id, request_id_);
      if constexpr (!std::is_same_v<Reply, Error>) {
        if (const auto* error = std::get_if<Error>(&answer->body)) throw std::runtime_error(error->text());
      }
      return std::get<Reply>(std::move(answer->body));
    }

    Peer& greet(const std::string& name = "peer") {
      ask<proto::Welcome>(proto::Hello{proto::kProtocolVersion, name});
      return *this;
    }
    proto::OpenReply open(const std::string& source, uint16_t max_leases = 2) {
      return ask<proto::OpenReply>(
          proto::OpenRequest{source, proto::MemoryKind::kAuto, max_leases, 0, false});
    }

    // The server's last word, after which it hangs up.
    void expect_dropped(ErrorCode code, const std::string& part) {
      const auto word = receive();
      ASSERT_TRUE(word) << "dropped without a word";
      ASSERT_TRUE(std::holds_alternative<Error>(word->body));
      EXPECT_EQ(std::get<Error>(word->body).code, code);
      EXPECT_THAT(std::get<Error>(word->body).text(), ::testing::HasSubstr(part));
      expect_hung_up();
    }
    void expect_hung_up() { EXPECT_FALSE(receive()); }

    // Of the last message.
    const std::vector<UniqueFd>& fds() const { return fds_; }

   private:
    ServerTest* test_;
    UniqueFd socket_;
    uint32_t request_id_ = 100;
    std::vector<UniqueFd> fds_;
  };

  ServerTest() : log_level_(spdlog::get_level()) { spdlog::set_level(spdlog::level::off); }
  ~ServerTest() override {
    EXPECT_TRUE(desktop_.stop());
    spdlog::set_level(log_level_);
  }

  // Before start().
  Stream& add_stream(const std::string& source) {
    streams_.push_back(*Stream::create({.source = source, .slot_count = 8, .lease_ms = 250, .max_fps = 0}));
    registry_.add(streams_.back(), nullptr);
    return *streams_.back();
  }
  static std::shared_ptr<Epoch> make_epoch(uint64_t number = 1) {
    auto epoch = std::make_shared<Epoch>();
    epoch->bells = *ReaderBells::create();
    epoch->geometry = {64, 32, PixelFormat::kBgrx8888};
    epoch->pool = *HostPool::create(epoch->geometry, 8);
    EXPECT_TRUE(epoch->pool->seal());
    epoch->ring = *Ring::create({.geometry = epoch->geometry,
                                 .epoch = number,
                                 .slot_count = 8,
                                 .slot_bytes = epoch->pool->slot_bytes()});
    return epoch;
  }
  void start(const Server::Options& options = {}, const QuotaLimits& limits = {}) {
    server_.reset();
    quota_.emplace(limits);
    server_ = std::make_unique<Server>(io_, *Listener::open(path_), registry_, desktop_, *quota_, options);
    server_->start();
  }

  // A client of this process, under another uid where one is given: then the test must run as root.
  Peer connect(std::optional<uid_t> uid = std::nullopt) {
    int ends[2];
    if (uid && seteuid(*uid) != 0) throw std::runtime_error("cannot become another user");
    const int made = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
    if ((uid && seteuid(0) != 0) || made != 0) throw std::runtime_error("no socketpair");
    server_->admit(UniqueFd(ends[0]));
    return Peer(*this, UniqueFd(ends[1]));
  }

  // Runs the server until the condition holds, at most 10 s.
  template <class Condition>
  ::testing::AssertionResult run_until(Condition&& condition) {
    using namespace std::chrono_literals;
    for (const auto end = std::chrono::steady_clock::now() + 10s; !condition();) {
      if (std::chrono::steady_clock::now() > end) return ::testing::AssertionFailure() << "not within 10 s";
      io_.restart();
      io_.run_one_for(10ms);
    }
    return ::testing::AssertionSuccess();
  }
  bool readable(int fd) const {
    pollfd state{fd, POLLIN, 0};
    return poll(&state, 1, 0) > 0;
  }

  const spdlog::level::level_enum log_level_;
  testing::TempFolder folder_;
  const std::string path_ = folder_.file("socket");
  boost::asio::io_context io_;
  std::vector<std::shared_ptr<Stream>> streams_;
  std::optional<Quota> quota_;
  // What is not added cannot be captured.
  StreamRegistry registry_{
      io_,
      [](const SourceName& name) -> proto::Result<StreamRegistry::Parts> {
        return Error{ErrorCode::kNotFound, "there is no source " + name.text() + " here", "there is another"};
      },
      StreamRegistry::Options{}};
  DesktopFactory open_desktop_ = []() -> proto::Result<std::unique_ptr<Desktop>> {
    return Error{ErrorCode::kUnavailable, "there is no desktop here", {}};
  };
  DesktopWatcher desktop_{io_, [this] { return open_desktop_(); }};
  std::unique_ptr<Server> server_;
};

}  // namespace framering::daemon
