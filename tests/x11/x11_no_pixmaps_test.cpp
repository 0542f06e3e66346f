// An X server that passes descriptors but shares no pixmaps, as one whose pixmaps are in video memory.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <xcb/shm.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "daemon/capture/x11_source.h"
#include "proto/unique_fd.h"
#include "tests/support/bound_source.h"
#include "tests/support/x11_desktop.h"
#include "tests/support/x11_proxy.h"
#include "tests/support/xvfb.h"

namespace framering::daemon {
namespace {

using testing::BoundSource;
using testing::X11Desktop;
using testing::X11Proxy;
using testing::Xvfb;

constexpr size_t kSetupBytes = 12;

// Hands descriptors on as well, and makes each ShmCreatePixmap one that the server refuses.
class NoPixmapsProxy {
 public:
  NoPixmapsProxy(const std::string& server_display, uint8_t shm_opcode)
      : shm_opcode_(shm_opcode),
        proxy_(server_display, [this](int client, int server) { return pass_requests(client, server); }) {}

  const std::string& display() const { return proxy_.display(); }
  int refused() const { return refused_; }
  int images() const { return images_; }  // ShmGetImage requests

 private:
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
  proto::UniqueFd passed_;
  std::vector<uint8_t> pending_;
  bool is_set_up_ = false;
  std::atomic<int> refused_ = 0;
  std::atomic<int> images_ = 0;
  X11Proxy proxy_;  // its thread uses all of the others
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
  const NoPixmapsProxy proxy(server.display(), shm_opcode(server.display()));
  {
    auto source = open_x11_source({.display = proxy.display()});
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
