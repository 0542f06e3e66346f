// Accepts clients and knows the streams. Io thread only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/quota.h"
#include "daemon/session.h"
#include "daemon/stream.h"
#include "daemon/stream_registry.h"

namespace framering::daemon {

class Server : public SessionHost {
 public:
  struct Options {
    std::vector<uint32_t> allow_uids;  // besides the daemon's own user and root
    // Called, and called again, after so long without a client.
    std::optional<std::chrono::milliseconds> idle_time{};
    std::function<void()> on_idle{};
  };

  // Registry and quota outlive the server.
  Server(boost::asio::io_context& io, Listener listener, StreamRegistry& streams, Quota& quota,
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
  void find_stream(const std::string& source, uint32_t uid, StreamRegistry::Done done) override;
  Quota& quota() override { return quota_; }
  void warn(const Session& session, const std::string& line) override;
  void remove(Session& session) override;

 private:
  void wait_for_clients();
  void accept_some();
  proto::Result<Session::Peer> check(proto::UniqueFd& socket);
  void wait_idle();  // if there is no client

  boost::asio::io_context& io_;
  const std::string path_;
  Listener listener_;
  boost::asio::posix::stream_descriptor acceptor_;  // the listener's; released, not closed, with this
  boost::asio::steady_timer retry_timer_;
  boost::asio::steady_timer idle_timer_;
  const std::optional<std::chrono::milliseconds> idle_time_;
  const std::function<void()> on_idle_;
  bool starved_ = false;  // of descriptors or memory, when it last accepted
  StreamRegistry& streams_;
  const std::vector<uint32_t> allow_uids_;
  Quota& quota_;
  LogLimit log_;
  std::unordered_map<const Session*, std::shared_ptr<Session>> sessions_;
};

}  // namespace framering::daemon
