// An X server that passes descriptors but shares no pixmaps, as one whose pixmaps are in video memory.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <xcb/shm.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/capture/x11_source.h"
#include "proto/unique_fd.h"
#include "tests/support/bound_source.h"
#include "tests/support/x11_desktop.h"
#include "tests/support/xvfb.h"

namespace framering::daemon {
namespace {

using testing::BoundSource;
using testing::X11Desktop;
using testing::Xvfb;

// Far from the numbers that real servers take, and another for each process of this test.
const std::string kFreeNumber = std::to_string(41'000 + getpid() % 9'000);
const std::string kFreePath = "/tmp/.X11-unix/X" + kFreeNumber;

constexpr size_t kSetupBytes = 12;

// Between one client and a server: it passes bytes and descriptors on, and makes each ShmCreatePixmap one
// that the server refuses.
class NoPixmapsProxy {
 public:
  NoPixmapsProxy(const std::string& server_path, uint8_t shm_opcode) : shm_opcode_(shm_opcode) {
    listener_ = proto::UniqueFd(socket(AF_UNIX, SOCK_STREAM, 0));
    const sockaddr_un address = address_of(kFreePath);
    if (bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        listen(listener_.get(), 1) != 0) {
      throw std::runtime_error("the proxy cannot listen");
    }
    thread_ = std::thread([this, server_path] { relay(server_path); });
  }
  // After its client has gone.
  ~NoPixmapsProxy() {
    thread_.join();
    std::filesystem::remove(kFreePath);
  }

  int refused() const { return refused_; }
  int images() const { return images_; }  // ShmGetImage requests

 private:
  static sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{AF_UNIX, {}};
    std::strcpy(address.sun_path, path.c_str());
    return address;
  }

  void relay(const std::string& server_path) {
    const proto::UniqueFd client(accept(listener_.get(), nullptr, nullptr));
    const proto::UniqueFd server(socket(AF_UNIX, SOCK_STREAM, 0));
    const sockaddr_un address = address_of(server_path);
    if (connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return;
    pollfd fds[] = {{client.get(), POLLIN, 0}, {server.get(), POLLIN, 0}};
    while (poll(fds, 2, -1) > 0) {
      if (fds[0].revents && !pass_requests(client.get(), server.get())) return;
      if (fds[1].revents && !pass_answers(server.get(), client.get())) return;
    }
  }

  bool pass_answers(int server, int client) const {
    std::array<char, 65536> bytes;
    const ssize_t got = read(server, bytes.data(), bytes.size());
    return got > 0 && write(client, bytes.data(), static_cast<size_t>(got)) == got;
  }

  bool pass_requests(int client, int server) {
    std::array<uint8_t, 65536> bytes;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control;
    iovec part{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = recvmsg(client, &message, MSG_CMSG_CLOEXEC);
    if (got <= 0) return false;
    if (const cmsghdr* header = CMSG_FIRSTHDR(&message)) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
      passed_ = proto::UniqueFd(fd);
    }
    pending_.insert(pending_.end(), bytes.begin(), bytes.begin() + got);
    const size_t whole = edit_whole_requests();
    return whole == 0 || send_on(server, whole);
  }

  // How many bytes of what is pending are requests that are complete.
  size_t edit_whole_requests() {
    size_t at = 0;
    while (pending_.size() - at >= 4) {
      const size_t bytes = request_bytes(at);
      if (bytes == 0 || pending_.size() - at < bytes) break;
      if (std::exchange(is_set_up_, true) && pending_[at] == shm_opcode_) {
        uint8_t& minor = pending_[at + 1];
        images_ += minor == XCB_SHM_GET_IMAGE ? 1 : 0;
        if (minor == XCB_SHM_CREATE_PIXMAP) {
          ++refused_;
          minor = 0xFF;  // no such request
        }
      }
      at += bytes;
    }
    return at;
  }

  // 0 where too little is there to know.
  size_t request_bytes(size_t at) const {
    const auto word16 = [&](size_t offset) {
      uint16_t value = 0;
      std::memcpy(&value, &pending_[at + offset], sizeof value);
      return value;
    };
    const auto padded = [](size_t bytes) { return (bytes + 3) / 4 * 4; };
    const size_t there = pending_.size() - at;
    if (!is_set_up_) return there < kSetupBytes ? 0 : kSetupBytes + padded(word16(6)) + padded(word16(8));
    if (word16(2) != 0) return size_t{4} * word16(2);
    if (there < 8) return 0;  // BIG-REQUESTS: the length follows
    uint32_t words = 0;
    std::memcpy(&words, &pending_[at + 4], sizeof words);
    return size_t{4} * words;
  }

  bool send_on(int server, size_t bytes) {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    iovec part{pending_.data(), bytes};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (passed_) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      *header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
      const int fd = passed_.get();
      std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    const bool sent = sendmsg(server, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes);
    passed_.reset();
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(bytes));
    return sent;
  }

  const uint8_t shm_opcode_;
  proto::UniqueFd listener_;
  proto::UniqueFd passed_;
  std::vector<uint8_t> pending_;
  bool is_set_up_ = false;
  std::atomic<int> refused_ = 0;
  std::atomic<int> images_ = 0;
  std::thread thread_;
};

uint8_t shm_opcode(const std::string& display) {
  xcb_connection_t* const xcb = xcb_connect(display.c_str(), nullptr);
  const xcb_query_extension_reply_t* const shm = xcb_get_extension_data(xcb, &xcb_shm_id);
  const uint8_t opcode = shm && shm->present ? shm->major_opcode : 0;
  xcb_disconnect(xcb);
  return opcode;
}

TEST(X11WithoutSharedPixmaps, FramesComeInBandsByThemselvesAndAreRight) {
  const Xvfb server({.screen = "333x217x24"});
  std::mt19937 random(20);
  X11Desktop desktop(server.display());
  desktop.open_windows(random);
  NoPixmapsProxy proxy("/tmp/.X11-unix/X" + server.display().substr(1), shm_opcode(server.display()));
  {
    auto source = open_x11_source({.display = ":" + kFreeNumber});
    ASSERT_TRUE(source) << source.error().text();
    const BoundSource bound(*std::move(source), 3);
    EXPECT_EQ(proxy.refused(), 1);
    EXPECT_EQ(proxy.images(), 0);
    for (uint32_t round = 0; round < 20; ++round) {
      for (int i = 0; i < 3; ++i) desktop.draw_random(random);
      desktop.sync();
      bound.capture(round % 3);
      EXPECT_EQ(testing::differing_pixels(bound.geometry(), bound.pixels(round % 3), desktop.grab()), 0u);
    }
    EXPECT_GE(proxy.images(), 3) << "each surface at least once";
  }
}

}  // namespace
}  // namespace framering::daemon
