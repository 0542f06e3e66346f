#include "tests/support/x11_refusing_proxy.h"

#include <sys/socket.h>
#include <xcb/xcb.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>

namespace framering::testing {

namespace {

constexpr size_t kSetupBytes = 12;
constexpr uint8_t kNoRequest = 0xff;  // of any extension

struct FreeDeleter {
  void operator()(void* memory) const { std::free(memory); }
};

uint8_t major_opcode(const std::string& display, const std::string& extension) {
  const std::unique_ptr<xcb_connection_t, decltype(&xcb_disconnect)> xcb(
      xcb_connect(display.c_str(), nullptr), xcb_disconnect);
  const auto cookie =
      xcb_query_extension(xcb.get(), static_cast<uint16_t>(extension.size()), extension.data());
  const std::unique_ptr<xcb_query_extension_reply_t, FreeDeleter> reply(
      xcb_query_extension_reply(xcb.get(), cookie, nullptr));
  if (!reply || !reply->present) throw std::runtime_error("the X server lacks the extension " + extension);
  return reply->major_opcode;
}

}  // namespace

X11RefusingProxy::X11RefusingProxy(const std::string& server_display, const std::string& extension,
                                   uint8_t minor)
    : major_(major_opcode(server_display, extension)),
      minor_(minor),
      proxy_(server_display, [this](int client, int server) { return pass_requests(client, server); }) {}

bool X11RefusingProxy::pass_requests(int client, int server) {
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
size_t X11RefusingProxy::edit_whole_requests() {
  size_t at = 0;
  while (pending_.size() - at >= 4) {
    const size_t bytes = request_bytes(at);
    if (bytes == 0 || pending_.size() - at < bytes) break;
    if (std::exchange(is_set_up_, true) && pending_[at] == major_) {
      uint8_t& minor = pending_[at + 1];
      ++requests_[minor];
      if (minor == minor_) minor = kNoRequest;
    }
    at += bytes;
  }
  return at;
}

// 0 where too little is there to know.
size_t X11RefusingProxy::request_bytes(size_t at) const {
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

bool X11RefusingProxy::send_on(int server, size_t bytes) {
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

}  // namespace framering::testing
