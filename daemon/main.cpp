// Parse, set up, run, exit code.
#include <signal.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/config.h"
#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/metrics_server.h"
#include "daemon/platform.h"
#include "daemon/pump.h"
#include "daemon/server.h"
#include "daemon/service_manager.h"
#include "daemon/stream.h"
#include "daemon/supervision.h"
#include "proto/channel.h"

namespace {

using namespace framering;
using namespace framering::daemon;

constexpr std::chrono::seconds kRestartDelay{1};

enum ExitCode { kEndedBySignal = 0, kFailed = 1, kWrongConfiguration = 2, kCannotStart = 3 };

// Destroyed in the reverse order: clients first, then pumps, then what they pump into.
struct Daemon {
  Daemon() = default;
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  boost::asio::io_context io;
  std::atomic<bool> must_restart{false};
  std::vector<std::unique_ptr<Stream>> streams;
  std::vector<std::unique_ptr<Pump>> pumps;
  std::optional<Server> server;
  std::optional<Supervision> supervision;
  std::vector<std::unique_ptr<MetricsServer>> metrics;
};

proto::Status add_stream(Daemon& daemon, const std::string& name, const Config& config) {
  auto source = find_source(name, config);
  if (!source) return source.error();
  // The streams' clients have read by then why they ended.
  auto pool = find_pool(name, config, [&daemon] {
    daemon.must_restart = true;
    daemon.io.stop();
  });
  if (!pool) return pool.error();
  auto stream = Stream::create({.source = name,
                                .slot_count = config.slots,
                                .lease_ms = config.lease_ms,
                                .max_fps = config.max_fps.value_or(default_max_fps(name))});
  if (!stream) return stream.error();
  auto pump = Pump::start(**stream, *std::move(source), *std::move(pool));
  if (!pump) return pump.error();
  daemon.streams.push_back(*std::move(stream));
  daemon.pumps.push_back(*std::move(pump));
  return proto::Ok{};
}

proto::Result<Listener> open_listener(const Config& config) {
  auto passed = take_passed_socket();
  if (!passed) return passed.error();
  if (*passed) return Listener::adopt(*std::move(passed));
  return Listener::open(config.socket.empty() ? proto::default_socket_path() : config.socket);
}

proto::Status open_metrics(Daemon& daemon, const Config& config) {
  const auto text = [&server = *daemon.server] { return server.metrics(); };
  if (!config.metrics_socket.empty()) {
    auto opened = MetricsServer::open_socket(
        daemon.io, config.metrics_socket, text,
        [&server = *daemon.server](uint32_t uid) { return server.may_attach(uid); });
    if (!opened) return opened.error();
    daemon.metrics.push_back(*std::move(opened));
  }
  if (config.metrics_port != 0) {
    auto opened = MetricsServer::open_port(daemon.io, config.metrics_port, text);
    if (!opened) return opened.error();
    daemon.metrics.push_back(*std::move(opened));
  }
  return proto::Ok{};
}

proto::Status set_up(Daemon& daemon, const Config& config) {
  // The socket first: a second daemon is refused before it takes memory or asks anything of a display.
  auto listener = open_listener(config);
  if (!listener) return listener.error();
  for (const std::string& name : config.sources) {
    if (auto added = add_stream(daemon, name, config); !added) return added;
  }
  std::vector<Stream*> streams;
  for (const auto& stream : daemon.streams) streams.push_back(stream.get());
  spdlog::info("frameringd {} serves {}", FRAMERING_VERSION, listener->path());
  daemon.server.emplace(daemon.io, *std::move(listener), std::move(streams),
                        Server::Options{config.quota, config.allow_uids});
  if (auto opened = open_metrics(daemon, config); !opened) return opened;
  daemon.server->start();
  daemon.supervision.emplace(daemon.io, *daemon.server);
  daemon.supervision->start();
  return proto::Ok{};
}

// Tells the clients, then lets go of everything. False if a source hangs where nothing can end it.
bool shut_down(Daemon& daemon, const std::string& reason) {
  daemon.metrics.clear();
  daemon.supervision.reset();
  bool ended = true;
  for (const auto& pump : daemon.pumps) ended &= pump->stop(reason);
  daemon.server.reset();
  return ended;
}

// A thread that hangs in a source still uses what it pumps into.
Daemon::~Daemon() {
  if (!shut_down(*this, "frameringd has failed")) std::_Exit(kFailed);
}

int fail(const proto::Error& error, ExitCode code) {
  std::fprintf(stderr, "frameringd: %s\n", error.message.c_str());
  if (!error.hint.empty()) std::fprintf(stderr, "  %s\n", error.hint.c_str());
  return code;
}

// Never returns where the program can be started anew; its clients connect again.
int restart(Daemon& daemon, char* const* arguments) {
  spdlog::warn("a GPU is lost to this process: starting anew");
  shut_down(daemon, "frameringd starts anew, because a GPU was lost");
  hand_on_passed_socket();
  // A device that is lost again and again must not keep the machine busy.
  std::this_thread::sleep_for(kRestartDelay);
  restart_process(arguments);
  return fail(proto::errno_error(proto::ErrorCode::kInternal, "cannot start anew", errno), kFailed);
}

int run(const Config& config, char* const* arguments) {
  start_logging(config.log_level);
  raise_descriptor_limit();
  signal(SIGPIPE, SIG_IGN);
  auto daemon = std::make_unique<Daemon>();
  if (const auto ready = set_up(*daemon, config); !ready) {
    shut_down(*daemon, "the daemon could not start");
    return fail(ready.error(), ready.error().code == proto::ErrorCode::kInvalidArgument ? kWrongConfiguration
                                                                                        : kCannotStart);
  }
  // Only now: until then a signal ends the process as it is, whatever a source waits for.
  boost::asio::signal_set ending(daemon->io, SIGINT, SIGTERM);
  bool must_end = false;
  ending.async_wait([&](boost::system::error_code error, int) {
    if (error) return;
    must_end = true;
    daemon->io.stop();
  });
  daemon->io.run();
  if (daemon->must_restart && !must_end) {
    ending.clear();  // from here on a signal ends the process as it stands
    return restart(*daemon, arguments);
  }
  tell_stopping("Telling the clients");
  if (!shut_down(*daemon, "frameringd was stopped")) std::_Exit(kEndedBySignal);
  return kEndedBySignal;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto parsed = parse_config(argc, argv);
    if (!parsed) return fail(parsed.error(), kWrongConfiguration);
    if (const auto* print = std::get_if<PrintAndExit>(&*parsed)) {
      std::fputs(print->text.c_str(), stdout);
      return 0;
    }
    return run(std::get<Config>(*parsed), argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "frameringd: %s\n", error.what());
    return kFailed;
  }
}
