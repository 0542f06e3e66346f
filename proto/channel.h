// One end of a control connection: SOCK_SEQPACKET, one packet a message, descriptors by SCM_RIGHTS (native
// handle passing). Any thread, one at a time. Nothing here blocks for longer than the caller's deadline.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "proto/limits.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace framering::proto {

struct Packet {
  std::vector<std::byte> bytes;
  std::vector<UniqueFd> fds;  // close-on-exec
};

enum class ReceiveState { kPacket, kWouldBlock, kClosed };

struct Received {
  ReceiveState state = ReceiveState::kWouldBlock;
  Packet packet;
};

// Never blocks. kProtocol where the packet was cut short or descriptors were lost on the way (too large, too
// many, or no descriptor free in this process); what did arrive is closed.
Result<Received> receive_packet(int socket);

// Never blocks. kUnavailable where the peer's queue is full, kDisconnected where it is gone, kOutOfMemory
// where too many descriptors are in flight.
Status send_packet(int socket, std::span<const std::byte> bytes, std::span<const int> fds = {});

// Bytes that the peer has not read yet; a peer with an unread message gets no second one.
Result<size_t> unread_by_peer(int socket);

struct PeerCredentials {
  uint32_t pid = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
};
Result<PeerCredentials> peer_credentials(int socket);

// A pidfd of the process that connected: SO_PEERPIDFD, or pidfd_open of its pid where the kernel (< 6.5) has
// none; then kDisconnected if the pid may meanwhile belong to another process. kOutOfMemory without a free
// descriptor.
Result<UniqueFd> peer_pidfd(int socket);

// Whether that process is dead.
bool has_died(int pidfd);

// kUnavailable where nobody listens or nobody accepts within 5 s, kPermissionDenied where the path is not for
// us.
Result<UniqueFd> connect_socket(const std::string& path);

// Where a daemon listens: $FRAMERING_SOCKET, else framering/socket in $XDG_RUNTIME_DIR, else
// /run/framering/socket.
std::string default_socket_path();
// Where a client connects: the same, but where the user has no daemon of his own and the system has one, to
// that.
std::string find_socket_path();

}  // namespace framering::proto
