#include <poll.h>

#include <utility>
#include <vector>

#include "client/session/control.h"
#include "proto/channel.h"
#include "proto/message.h"

namespace framering::session {

using proto::Error;
using proto::ErrorCode;
using proto::UniqueFd;

namespace {

constexpr int kReplyTimeoutMs = 5000;

// The reply, or the Error that came in its place.
template <class Reply>
proto::Result<Reply> ask(int socket, uint32_t request_id, const proto::Body& request,
                         const std::vector<int>& fds = {}) {
  if (auto sent = proto::send_packet(socket, proto::encode({request_id, request}), fds);
      !sent && sent.error().code != ErrorCode::kDisconnected) {
    return sent.error();
  }
  pollfd ready{socket, POLLIN, 0};
  if (poll(&ready, 1, kReplyTimeoutMs) != 1) {
    return Error{ErrorCode::kTimeout, "frameringd does not answer", "is it stopped?"};
  }
  auto received = proto::receive_packet(socket);
  if (!received) return received.error();
  if (received->state != proto::ReceiveState::kPacket) {
    return Error{ErrorCode::kUnavailable, "frameringd hung up", {}};
  }
  auto message = proto::decode(received->packet.bytes);
  if (!message) return message.error();
  if (const auto* error = std::get_if<Error>(&message->body)) return *error;
  auto* reply = std::get_if<Reply>(&message->body);
  if (!reply) return Error{ErrorCode::kProtocol, "frameringd answered something else", {}};
  return std::move(*reply);
}

}  // namespace

proto::Result<UniqueFd> hand_in(const std::string& socket_path, const X11Access& access) {
  auto socket = proto::connect_socket(socket_path);
  if (!socket) {
    // Of the path: it may be there, and be ours, later.
    return Error{ErrorCode::kUnavailable, socket.error().message, "is frameringd installed and set up?"};
  }
  const auto welcome =
      ask<proto::Welcome>(socket->get(), 1, proto::Hello{proto::kProtocolVersion, "framering-session"});
  if (!welcome) return welcome.error();
  const proto::DisplayRequest request{access.name, access.auth_name, access.auth_data};
  const auto taken = ask<proto::DisplayReply>(socket->get(), 2, request, {access.socket.get()});
  if (!taken) return taken.error();
  return *std::move(socket);
}

std::optional<Error> farewell(int daemon) {
  const auto received = proto::receive_packet(daemon);
  if (!received || received->state != proto::ReceiveState::kPacket) return std::nullopt;
  auto message = proto::decode(received->packet.bytes);
  if (!message || !std::holds_alternative<Error>(message->body)) return std::nullopt;
  return std::get<Error>(std::move(message->body));
}

}  // namespace framering::session
