// A client and a daemon of different releases.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "framering/framering.h"
#include "proto/channel.h"
#include "proto/message.h"
#include "proto/shm_layout.h"
#include "proto/unique_fd.h"
#include "tests/support/temp_folder.h"

namespace framering::testing {
namespace {

using ::testing::HasSubstr;

// Serves one client: gives these answers, one a request, whatever is asked.
class OtherDaemon {
 public:
  explicit OtherDaemon(std::vector<proto::Body> answers)
      : listener_(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener_.get(), 1), 0);
    thread_ = std::thread([this, answers = std::move(answers)] { serve(answers); });
  }
  ~OtherDaemon() { thread_.join(); }

  const std::string& path() const { return path_; }

 private:
  void serve(const std::vector<proto::Body>& answers) {
    if (!is_readable(listener_)) return;
    client_ = proto::UniqueFd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    for (const proto::Body& answer : answers) {
      if (!is_readable(client_)) return;
      const auto received = proto::receive_packet(client_.get());
      const auto request = proto::decode(received->packet.bytes);
      EXPECT_TRUE(proto::send_packet(client_.get(), proto::encode({request->request_id, answer})));
    }
  }
  static bool is_readable(const proto::UniqueFd& fd) {
    pollfd state{fd.get(), POLLIN, 0};
    return poll(&state, 1, 10'000) == 1;
  }

  const TempFolder folder_;
  const std::string path_ = folder_.file("socket");
  proto::UniqueFd listener_, client_;
  std::thread thread_;
};

template <class Call>
void expect_version_error(Call&& call, const std::string& message, const std::string& hint) {
  try {
    call();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::version) << error.what();
    EXPECT_THAT(error.what(), HasSubstr(message));
    EXPECT_THAT(error.hint(), HasSubstr(hint));
  }
}

TEST(OtherVersionTest, ADaemonThatRefusesThisOneIsQuotedWithTheVersionToInstall) {
  const OtherDaemon daemon({proto::Error{proto::ErrorCode::kVersion, "the client speaks protocol 1",
                                         "install a client library of version 9.9"}});
  expect_version_error([&] { Connection::connect(daemon.path()); }, "the client speaks protocol 1",
                       "install a client library of version 9.9");
}

TEST(OtherVersionTest, ADaemonOfAnotherProtocolIsNamedWithItsVersion) {
  const OtherDaemon daemon({proto::Welcome{proto::kProtocolVersion + 1, "9.9", 1}});
  expect_version_error([&] { Connection::connect(daemon.path()); },
                       "frameringd 9.9 speaks protocol " + std::to_string(proto::kProtocolVersion + 1),
                       "install the same version of both");
}

TEST(OtherVersionTest, AStreamOfAnotherLayoutIsNotMapped) {
  const proto::OpenReply reply{.stream_id = 1,
                               .layout_version = proto::kLayoutVersion + 1,
                               .epoch = 1,
                               .memory = proto::MemoryKind::kHost,
                               .lease_ms = 1000,
                               .control_bytes = 4096,
                               .region_bytes = 4096,
                               .max_leases = 2,
                               .fd_roles = {}};
  const OtherDaemon daemon({proto::Welcome{proto::kProtocolVersion, "9.9", 1}, reply, proto::CloseReply{}});
  Connection connection = Connection::connect(daemon.path());
  expect_version_error([&] { connection.open({.source = "test:64x48@1", .memory = Memory::host}); },
                       "frameringd 9.9 shares layout " + std::to_string(proto::kLayoutVersion + 1),
                       "install the same version of both");
}

}  // namespace
}  // namespace framering::testing
