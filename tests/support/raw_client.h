// A client that speaks the control protocol by hand, for what the library would not do.
#pragma once

#include <poll.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "proto/channel.h"
#include "proto/message.h"

namespace framering::testing {

class RawClient {
 public:
  explicit RawClient(const std::string& path) : socket_(check(proto::connect_socket(path))) {}

  int socket() const { return socket_.get(); }

  void send(const proto::Body& body) {
    const auto bytes = proto::encode({++request_id_, body});
    check(proto::send_packet(socket_.get(), bytes));
  }

  // The next message, at most 5 s later; its descriptors go to fds(). Throws when the daemon hung up instead.
  proto::Body receive() {
    pollfd ready{socket_.get(), POLLIN, 0};
    if (poll(&ready, 1, 5000) != 1) throw std::runtime_error("no answer within 5 s");
    proto::Received received = check(proto::receive_packet(socket_.get()));
    if (received.state != proto::ReceiveState::kPacket) throw std::runtime_error("the daemon hung up");
    fds_ = std::move(received.packet.fds);
    return std::move(check(proto::decode(received.packet.bytes)).body);
  }

  template <class Reply>
  Reply ask(const proto::Body& body) {
    send(body);
    proto::Body reply = receive();
    if (auto* error = std::get_if<proto::Error>(&reply)) throw std::runtime_error(error->text());
    return std::get<Reply>(std::move(reply));
  }

  proto::OpenReply open(const std::string& source, uint16_t max_leases, bool wake_pipe = false) {
    ask<proto::Welcome>(proto::Hello{proto::kProtocolVersion, "raw"});
    return ask<proto::OpenReply>(
        proto::OpenRequest{source, proto::MemoryKind::kAuto, max_leases, 0, wake_pipe});
  }

  // Of the last reply.
  std::vector<proto::UniqueFd>& fds() { return fds_; }
  int fd(const proto::OpenReply& reply, proto::FdRole role) const {
    for (size_t i = 0; i < reply.fd_roles.size(); ++i) {
      if (reply.fd_roles[i] == role) return fds_.at(i).get();
    }
    return -1;
  }

 private:
  template <class T>
  static T check(proto::Result<T> result) {
    if (!result) throw std::runtime_error(result.error().text());
    return *std::move(result);
  }

  proto::UniqueFd socket_;
  uint32_t request_id_ = 0;
  std::vector<proto::UniqueFd> fds_;
};

}  // namespace framering::testing
