// An X server that dies, or stops answering, under a running daemon.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>

#include "framering/framering.h"
#include "proto/unique_fd.h"
#include "tests/support/daemon_process.h"
#include "tests/support/process_usage.h"
#include "tests/support/soon.h"
#include "tests/support/xvfb.h"

namespace framering::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

class XServerTest : public ::testing::Test {
 protected:
  // The code with which next() fails, after the frames that came before; what it says goes to `says_`.
  std::optional<ErrorCode> next_error() {
    try {
      while (stream_.next(10s)) {
      }
      return std::nullopt;
    } catch (const Error& error) {
      says_ = error.what();
      return error.code();
    }
  }

  std::optional<Xvfb> server_{std::in_place, XvfbOptions{.screen = "320x240x24"}};
  const std::string display_ = server_->display();
  DaemonProcess daemon_{{"--source", "screen", "--display", display_}};
  Connection connection_ = Connection::connect(daemon_.socket());
  Stream stream_ = connection_.open();
  std::string says_;
};

TEST_F(XServerTest, AKilledServerEndsTheStreamWithTheReasonAndTheNextOneIsFoundByItself) {
  const auto before = stream_.next(10s);
  ASSERT_TRUE(before);
  const ProcessUsage usage = settled_usage_of(daemon_.pid());
  uint64_t sequence = before->sequence();
  for (int round = 0; round < 3; ++round) {
    server_->kill();
    EXPECT_EQ(next_error(), ErrorCode::stream_ended);
    EXPECT_THAT(says_, HasSubstr(display_));
    EXPECT_TRUE(before->valid()) << "a frame of the server before";
    try {
      stream_.reopen();
      ADD_FAILURE() << "there is no server to capture";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::unavailable);
      EXPECT_THAT(error.what(), HasSubstr(display_));
    }
    const StreamInfo info = connection_.list().at(0);
    EXPECT_FALSE(info.available);
    EXPECT_THAT(info.reason, HasSubstr(display_));

    server_.emplace(XvfbOptions{.screen = "320x240x24", .display = display_});
    EXPECT_TRUE(soon([&] {
      try {
        stream_.reopen();
        return true;
      } catch (const Error&) {
        return false;
      }
    }));
    const auto after = stream_.next(10s);
    ASSERT_TRUE(after);
    EXPECT_GT(after->sequence(), sequence);
    EXPECT_GT(after->epoch(), before->epoch());
    sequence = after->sequence();
  }
  const ProcessUsage one_epoch_more = settled_usage_of(daemon_.pid());
  EXPECT_LE(one_epoch_more.fds, usage.fds + 8)
      << "the frame that is still held keeps its epoch, and no other";
  EXPECT_LE(one_epoch_more.threads, usage.threads + 1);
}

// Takes connections in place of a server that was killed, and never answers.
class MuteServer {
 public:
  explicit MuteServer(const std::string& display) : path_("/tmp/.X11-unix/X" + display.substr(1)) {
    sockaddr_un address{AF_UNIX, {}};
    std::strcpy(address.sun_path, path_.c_str());
    if (bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        listen(listener_.get(), 16) != 0) {
      throw std::runtime_error("cannot listen on " + path_);
    }
  }
  ~MuteServer() { std::filesystem::remove(path_); }

  bool is_asked(std::chrono::milliseconds timeout) const {
    pollfd state{listener_.get(), POLLIN, 0};
    return poll(&state, 1, static_cast<int>(timeout.count())) == 1;
  }
  void hang_up() const { const proto::UniqueFd client(accept(listener_.get(), nullptr, nullptr)); }

 private:
  const std::string path_;
  const proto::UniqueFd listener_{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
};

TEST_F(XServerTest, ADaemonWithoutAServerTriesLessAndLessOften) {
  ASSERT_TRUE(stream_.next(10s));
  server_->kill();
  const MuteServer refusing(display_);
  int connections = 0;
  for (const auto end = Clock::now() + 3s; Clock::now() < end;) {
    if (!refusing.is_asked(100ms)) continue;
    refusing.hang_up();
    ++connections;
  }
  // Five tries, after 0.1, 0.3, 0.7, 1.5 and 3.1 s, of up to three connections; at an even pace it is thirty.
  EXPECT_GE(connections, 1);
  EXPECT_LE(connections, 15);
}

class StoppedXServerTest : public XServerTest {
 protected:
  void expect_clean_end() {
    EXPECT_FALSE(connection_.list().empty()) << "the daemon itself answers";
    const int status = daemon_.end(SIGTERM);
    ASSERT_NE(status, -1) << "not within 5 s";
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    EXPECT_FALSE(std::filesystem::exists(daemon_.socket()));
  }
};

TEST_F(StoppedXServerTest, WhileNothingIsDrawnDoesNotKeepTheDaemonFromEnding) {
  ASSERT_TRUE(stream_.next(10s));
  server_->stop_responding();
  expect_clean_end();
}

TEST_F(StoppedXServerTest, InMidCaptureDoesNotKeepTheDaemonFromEnding) {
  ASSERT_TRUE(stream_.next(10s));
  server_->stop_responding();
  stream_.close();
  // Whoever comes after a time without subscribers makes the daemon ask the server for a whole frame.
  EXPECT_TRUE(soon([this] { return !connection_.open().next(300ms); }));
  expect_clean_end();
}

TEST_F(StoppedXServerTest, ThatIsOpenedAgainDoesNotKeepTheDaemonFromEnding) {
  ASSERT_TRUE(stream_.next(10s));
  server_->kill();
  const MuteServer mute(display_);
  ASSERT_TRUE(mute.is_asked(10s));
  expect_clean_end();
}

}  // namespace
}  // namespace framering::testing
