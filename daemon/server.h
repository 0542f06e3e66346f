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

#include "daemon/access_log.h"
#include "daemon/desktop_watcher.h"
#include "daemon/handed_display.h"
#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/logind.h"
#include "daemon/metrics.h"
#include "daemon/policy.h"
#include "daemon/quota.h"
#include "daemon/session.h"
#include "daemon/stream.h"
#include "daemon/stream_registry.h"

namespace framering::daemon {

class Server : public SessionHost {
 public:
  struct Options {
    std::vector<PolicyRule> rules{};  // the first that is for a peer decides
    // After those: who may read everything, besides root and the daemon's own user.
    std::vector<uint32_t> allow_uids{};
    std::optional<uint32_t> group{};
    std::function<proto::Status()> reload{};  // reads the configuration again
    // Where the desktop goes that a session hands in; none: the daemon has a display of its own. Outlives the
    // server.
    HandedDisplay* handed = nullptr;
    // Called, and called again, after so long without a client.
    std::optional<std::chrono::milliseconds> idle_time{};
    std::function<void()> on_idle{};
  };

  // Registry, desktop and quota outlive the server.
  Server(boost::asio::io_context& io, Listener listener, StreamRegistry& streams, DesktopWatcher& desktop,
         Quota& quota, const Options& options);
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
  void find_stream(const Session& session, const std::string& source, StreamRegistry::Done done) override;
  proto::Result<Quota::Ticket> add_stream(const Session& session, uint32_t leases) override;
  void find_desktop(const Session& session, std::function<void(proto::Body)> done) override;
  void count_watching(int change) override;
  void clients_changed() override { tell_change_soon(); }
  std::string metrics() const override;
  void count(proto::ErrorCode code) override { errors_.count(code); }
  proto::Status may_open(const Session& session, const std::string& source,
                         std::optional<proto::MemoryKind> memory) override;
  proto::Body explain(const Session& session, const proto::PolicyRequest& request) const override;
  proto::Body reload(const Session& session) override;
  // Whoever is at the other end.
  bool may_attach(int socket) const;
  // From now on. Who may not stay is hung up on, and a stream that somebody may not read any more goes on in
  // new memory.
  void set_policy(const Options& options);
  proto::Body take_display(const Session& session, proto::DisplayRequest request,
                           proto::UniqueFd socket) override;
  // What is known of the desktop's session. While it is locked or another one's turn, nothing of the display
  // is captured; when it has ended, what clients have mapped of it gets no new byte.
  void set_session(const SessionState& state);
  // The process that handed it in.
  std::optional<uint32_t> desktop_pid() const;
  void on_desktop(std::function<void()> changed) { desktop_changed_ = std::move(changed); }
  void warn(const Session& session, const std::string& line) override;
  void remove(Session& session) override;

 private:
  void wait_for_clients();
  void accept_some();
  proto::Result<Session::Peer> check(proto::UniqueFd& socket);
  static std::vector<PolicyRule> rules_of(const Options& options);
  Policy policy_now() const;
  void apply_policy();
  void withdraw_desktop();
  // Who may read all of the display without a rule. None: nobody is known.
  void set_desktop_owner(std::optional<uint32_t> uid);
  void tell_desktop_state(Stream& stream) const;
  QuotaLimits limits_of(const Subject& subject) const { return policy_.limits_of(subject, quota_.limits()); }
  void wait_idle();  // if there is no client
  // What of a desktop this client may open.
  proto::DesktopReply visible_to(const Session& session, const proto::DesktopReply& desktop) const;
  proto::Error visible_to(const Session& session, const SourceName& name, proto::Error error) const;
  // Wakes the sessions that watch: now, and for all that happens in a short while at its end.
  void tell_change();
  void tell_change_soon();

  boost::asio::io_context& io_;
  const std::string path_;
  Listener listener_;
  boost::asio::posix::stream_descriptor acceptor_;  // the listener's; released, not closed, with this
  boost::asio::steady_timer retry_timer_;
  boost::asio::steady_timer idle_timer_;
  boost::asio::steady_timer change_timer_;
  bool change_pending_ = false;
  int watching_ = 0;  // sessions
  const std::optional<std::chrono::milliseconds> idle_time_;
  const std::function<void()> on_idle_;
  bool starved_ = false;  // of descriptors or memory, when it last accepted
  StreamRegistry& streams_;
  DesktopWatcher& desktop_;
  std::vector<PolicyRule> rules_;  // of the configuration, and those that are always there
  std::optional<uint32_t> desktop_owner_;
  Policy policy_;
  HandedDisplay* const handed_;
  const Session* desktop_session_ = nullptr;  // that handed in the desktop
  SessionState session_state_;
  std::function<void()> desktop_changed_;
  const std::function<proto::Status()> reload_;
  Quota& quota_;
  LogLimit log_;
  AccessLog access_log_;
  std::unordered_map<const Session*, std::shared_ptr<Session>> sessions_;
  uint64_t connects_ = 0;
  ErrorCounts denials_;  // of connects
  ErrorCounts errors_;   // in answers to clients that attached
};

}  // namespace framering::daemon
