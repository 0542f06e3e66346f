// One connected client, from its greeting until its process is dead. Io thread only.
//
//   greeting -> ready -> gone            the process ended: everything it held is given back
//                  \-> hung up -> gone   the socket closed but the process lives: it asks for no frames, and
//                                        its leases stay, with the streams that they belong to
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/policy.h"
#include "daemon/quota.h"
#include "daemon/stream.h"
#include "daemon/wake_pipe.h"
#include "proto/channel.h"
#include "proto/message.h"

namespace framering::daemon {

class Session;

// What a session asks of the server.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  virtual proto::ListReply list() const = 0;
  // Calls `done` once, perhaps at once, with the stream that captures this source for this client.
  virtual void find_stream(const Session& session, const std::string& source,
                           std::function<void(proto::Result<std::shared_ptr<Stream>>)> done) = 0;
  // What one more open stream takes of the user's quota.
  virtual proto::Result<Quota::Ticket> add_stream(const Session& session, uint32_t leases) = 0;
  // Calls `done` once, later, with what of the desktop this client may see, or an error.
  virtual void find_desktop(const Session& session, std::function<void(proto::Body)> done) = 0;
  // One session more waits for changes, or one less.
  virtual void count_watching(int change) = 0;
  // After a session opened a stream, or let go of one.
  virtual void clients_changed() = 0;
  virtual std::string metrics() const = 0;  // for Prometheus
  // An error that a client is told.
  virtual void count(proto::ErrorCode code) = 0;
  virtual proto::Status may_open(const Session& session, const std::string& source,
                                 std::optional<proto::MemoryKind> memory) = 0;
  virtual proto::Body explain(const Session& session, const proto::PolicyRequest& request) const = 0;
  virtual proto::Body reload(const Session& session) = 0;
  // From now on this client's desktop is the daemon's, until the session is removed.
  virtual proto::Body take_display(const Session& session, proto::DisplayRequest request,
                                   proto::UniqueFd socket) = 0;
  // A line about this client, rate-limited.
  virtual void warn(const Session& session, const std::string& line) = 0;
  // Destroys the session, later.
  virtual void remove(Session& session) = 0;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  struct Peer {
    proto::PeerCredentials credentials;
    Subject subject;  // as the policy sees it
    proto::UniqueFd socket;
    proto::UniqueFd pidfd;
    Quota::Ticket ticket;
  };

  Session(boost::asio::io_context& io, SessionHost& host, Peer peer);
  void start();

  const proto::PeerCredentials& credentials() const { return credentials_; }
  const std::string& name() const { return name_; }
  const Subject& subject() const { return subject_; }
  // For lists: this session's attachments to the stream.
  std::vector<proto::ClientInfo> clients_of(const Stream& stream) const;
  // What it listed may be another now: a client that watches gets one byte, until it lists again.
  void tell_change();
  // After the policy changed. A stream that this client may not keep goes on in new memory, which it would
  // have to ask for.
  using MayKeep = std::function<bool(const std::string& source, proto::MemoryKind memory)>;
  void revoke(const MayKeep& may_keep);
  // Says why, if the client can still be told, and hangs up.
  void drop(const proto::Error& reason);

 private:
  struct Opened {
    Quota::Ticket ticket;
    std::unique_ptr<Attachment> attachment;
  };

  // What a request is answered with.
  struct Answer {
    proto::Body body;
    std::vector<proto::UniqueFd> fds{};
  };

  void wait_for_packet();
  void read_packets();
  void wait_for_death();
  // False when no further packet is to be read now: the client was dropped, or has an answer to come.
  bool handle(proto::Packet packet);
  // Nothing where answer_later() follows.
  std::optional<Answer> answer(uint32_t request_id, proto::Body& request, std::vector<proto::UniqueFd> fds);
  void answer_later(uint32_t request_id, const Answer& answer);
  // False when the client was dropped.
  bool reply(uint32_t request_id, const Answer& answer);
  proto::Body greet(const proto::Hello& hello);
  std::optional<Answer> find_and_open(uint32_t request_id, const proto::OpenRequest& request);
  Answer open(Stream& stream, const proto::OpenRequest& request);
  std::optional<Answer> find_desktop(uint32_t request_id);
  Answer watch();
  void arm_watch();
  void disarm_watch();
  proto::Body close(const proto::CloseRequest& request);
  Answer metrics() const;
  // What the ring counts this client's leases under.
  uint32_t client_key();
  // Fails where the client has not read the message before.
  proto::Status send(uint32_t request_id, const proto::Body& body,
                     const std::vector<proto::UniqueFd>& fds = {});
  void hang_up();

  SessionHost& host_;
  const proto::PeerCredentials credentials_;
  const Subject subject_;
  Quota::Ticket ticket_;
  boost::asio::posix::stream_descriptor socket_;
  boost::asio::posix::stream_descriptor pidfd_;
  boost::asio::steady_timer greeting_timer_;
  std::string name_;
  bool greeted_ = false;
  uint32_t next_stream_id_ = 1;
  std::map<uint32_t, Opened> opened_;
  WakePipe watch_pipe_;  // of a client that wants to be told of changes
  bool armed_ = false;   // it has listed since it was told last
};

}  // namespace framering::daemon
