// The streams of the daemon: those that are configured run always; any other starts when a client opens it,
// and ends when it had no subscriber for `linger`. Io thread only; sources are opened, and end, in the
// threads of their pumps.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/pump.h"
#include "daemon/quota.h"
#include "daemon/source_name.h"
#include "daemon/stream.h"
#include "proto/result.h"

namespace framering::daemon {

class StreamRegistry {
 public:
  // What a stream is made of.
  struct Parts {
    StreamOptions options;
    SourceFactory source;
    PoolFactory pool;
  };
  using FindParts = std::function<proto::Result<Parts>(const SourceName&)>;
  struct Options {
    std::chrono::milliseconds linger{proto::kDefaultLingerMs};
    // So long a client waits for a source that does not answer; what it waits for goes on.
    std::chrono::milliseconds open_limit{proto::kOpenLimitMs};
  };
  using Admit = std::function<proto::Result<Quota::Source>()>;
  using Done = std::function<void(proto::Result<std::shared_ptr<Stream>>)>;

  StreamRegistry(boost::asio::io_context& io, FindParts find_parts, const Options& options);
  ~StreamRegistry();  // after stop()
  StreamRegistry(const StreamRegistry&) = delete;
  StreamRegistry& operator=(const StreamRegistry&) = delete;

  // A stream that stays, with its pump (none: nothing is ever captured).
  void add(std::shared_ptr<Stream> stream, std::unique_ptr<Pump> pump);

  // Calls `done` once, perhaps at once, with the stream that captures this source: the one that runs, or a
  // new one if `admit` grants it. kTimeout where the source does not open in time, kQuotaExceeded where
  // kMaxStreams run, else what opening it says.
  void find(const SourceName& name, const Admit& admit, Done done);

  std::vector<std::shared_ptr<Stream>> streams() const;  // in the order of their start
  // Called after a stream began to run, ended, came to another epoch or lost its source.
  void on_change(std::function<void()> changed) { on_change_ = std::move(changed); }

  // Ends all streams for their clients and waits; later requests fail. False as Pump::stop().
  [[nodiscard]] bool stop(const std::string& reason);

 private:
  struct Waiter {
    Done done;
    std::unique_ptr<boost::asio::steady_timer> limit;
  };
  struct Entry {
    enum class State { kOpening, kRunning, kEnding };

    explicit Entry(boost::asio::io_context& io) : linger(io) {}

    std::shared_ptr<Stream> stream;
    std::unique_ptr<Pump> pump;
    State state = State::kRunning;
    bool stays = false;
    Quota::Ticket ticket;  // of the user who started it
    std::vector<Waiter> waiters;
    boost::asio::steady_timer linger;
  };

  Entry* entry_of(const std::string& source);
  void start(Parts parts, Quota::Source admitted, Done done);
  void wait(Entry& entry, Done done);
  void opened(Entry& entry, const proto::Status& status);
  void subscribers_changed(Entry& entry);
  void end(Entry& entry);
  void remove(const Entry& entry);
  void follow_state(Stream& stream);
  void tell_change() const;

  boost::asio::io_context& io_;
  const FindParts find_parts_;
  const Options options_;
  std::function<void()> on_change_;
  bool stopping_ = false;
  std::vector<std::unique_ptr<Entry>> entries_;
  // What a pump's thread posts may come after the registry is gone.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace framering::daemon
