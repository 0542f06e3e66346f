#include "tests/support/x11_proxy.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <utility>

namespace framering::testing {

namespace {

std::string path_of(const std::string& display) {
  return "/tmp/.X11-unix/X" + display.substr(1);
}

sockaddr_un address_of(const std::string& display) {
  sockaddr_un address{AF_UNIX, {}};
  std::strcpy(address.sun_path, path_of(display).c_str());
  return address;
}

}  // namespace

// Far from the numbers that real servers take, and another for each process.
X11Proxy::X11Proxy(const std::string& server_display, Pass requests)
    : display_(":" + std::to_string(41'000 + getpid() % 9'000)),
      requests_(std::move(requests)),
      listener_(socket(AF_UNIX, SOCK_STREAM, 0)) {
  const sockaddr_un address = address_of(display_);
  if (bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener_.get(), 1) != 0) {
    throw std::runtime_error("the proxy cannot listen");
  }
  thread_ = std::thread([this, server_display] { relay(server_display); });
}

X11Proxy::~X11Proxy() {
  thread_.join();
  std::filesystem::remove(path_of(display_));
}

bool X11Proxy::pass_bytes(int from, int to) {
  std::array<char, 65536> bytes;
  const ssize_t got = read(from, bytes.data(), bytes.size());
  return got > 0 && write(to, bytes.data(), static_cast<size_t>(got)) == got;
}

void X11Proxy::relay(const std::string& server_display) const {
  const proto::UniqueFd client(accept(listener_.get(), nullptr, nullptr));
  const proto::UniqueFd server(socket(AF_UNIX, SOCK_STREAM, 0));
  const sockaddr_un address = address_of(server_display);
  if (connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return;
  pollfd fds[] = {{client.get(), POLLIN, 0}, {server.get(), POLLIN, 0}};
  while (poll(fds, 2, -1) > 0) {
    if (fds[0].revents && !requests_(client.get(), server.get())) return;
    if (fds[1].revents && !pass_bytes(server.get(), client.get())) return;
  }
}

}  // namespace framering::testing
