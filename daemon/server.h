// Accepts clients and knows the streams. Io thread only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/quota.h"
#include "daemon/session.h"
#include "daemon/stream.h"

namespace framering::daemon {

class Server : public SessionHost {
 public:
  struct Options {
    QuotaLimits quota;
    std::vector<uint32_t> allow_uids;  // besides the daemon's own user and root
  };

  // The streams outlive the server.
  Server(boost::asio::io_context& io, Listener listener, std::vector<Stream*> streams,
         const Options& options);
  ~Server() override;
  void start();

  // Takes on a connected socket, as accepting it would.
  void admit(proto::UniqueFd socket);
  size_t session_count() const { return sessions_.size(); }
  // The streams whose threads have not answered since the last call, and asks them anew.
  std::vector<std::string> silent_streams();
  // What the daemon does, in a line.
  std::string status() const;

  proto::ListReply list() const override;
  proto::Result<Stream*> find_stream(const std::string& source) override;
  Quota& quota() override { return quota_; }
  std::string metrics() const override;
  void count(proto::ErrorCode code) override { errors_.count(code); }
  // Besides the daemon's own user and root, who the configuration allows.
  bool may_attach(uint32_t uid) const;
  void warn(const Session& session, const std::string& line) override;
  void remove(Session& session) override;

 private:
  void wait_for_clients();
  void accept_some();
  proto::Result<Session::Peer> check(proto::UniqueFd& socket);

  boost::asio::io_context& io_;
  const std::string path_;
  Listener listener_;
  boost::asio::posix::stream_descriptor acceptor_;  // the listener's; released, not closed, with this
  boost::asio::steady_timer retry_timer_;
  bool starved_ = false;  // of descriptors or memory, when it last accepted
  const std::vector<Stream*> streams_;
  const std::vector<uint32_t> allow_uids_;
  Quota quota_;
  LogLimit log_;
  std::unordered_map<const Session*, std::shared_ptr<Session>> sessions_;
  uint64_t connects_ = 0;
  ErrorCounts denials_;  // of connects
  ErrorCounts errors_;   // in answers to clients that attached
};

}  // namespace framering::daemon
