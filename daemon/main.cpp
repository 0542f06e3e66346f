// Parse, set up, run, exit code.
#include <signal.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "daemon/config.h"
#include "daemon/desktop_watcher.h"
#include "daemon/handed_display.h"
#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/logind.h"
#include "daemon/metrics_server.h"
#include "daemon/platform.h"
#include "daemon/pump.h"
#include "daemon/server.h"
#include "daemon/service_manager.h"
#include "daemon/stream_registry.h"
#include "daemon/supervision.h"
#include "proto/channel.h"

namespace {

using namespace framering;
using namespace framering::daemon;

constexpr std::chrono::seconds kRestartDelay{1};

enum ExitCode { kEnded = 0, kFailed = 1, kWrongConfiguration = 2, kCannotStart = 3 };

// Destroyed in the reverse order: clients first, then the streams.
struct Daemon {
  Daemon() = default;
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  boost::asio::io_context io;
  std::atomic<bool> must_restart{false};
  const Shared shared = make_shared_parts();
  std::unique_ptr<Quota> quota;
  std::unique_ptr<StreamRegistry> streams;
  std::unique_ptr<DesktopWatcher> desktop;
  std::unique_ptr<Server> server;
  std::unique_ptr<Logind> logind;         // once something of a display is captured
  std::function<proto::Status()> reload;  // reads the configuration again
  std::unique_ptr<Supervision> supervision;
  std::vector<std::unique_ptr<MetricsServer>> metrics;
};

// The choice of memory may ask the GPU's driver, which takes its time: it is made by the pump.
PoolFactory make_pool(Daemon& daemon, const std::string& source, const Config& config) {
  return [&daemon, source, &config, found = std::optional<PoolFactory>()](
             const Geometry& geometry, uint32_t slot_count) mutable -> proto::Result<std::unique_ptr<Pool>> {
    if (!found) {
      // The streams' clients have read by then why they ended.
      auto pool = find_pool(source, config, [&daemon] {
        daemon.must_restart = true;
        daemon.io.stop();
      });
      if (!pool) return pool.error();
      found = *std::move(pool);
    }
    return (*found)(geometry, slot_count);
  };
}

proto::Result<StreamRegistry::Parts> find_parts(Daemon& daemon, const SourceName& name,
                                                const Config& config) {
  return StreamRegistry::Parts{{.source = name.text(),
                                .slot_count = config.slots,
                                .lease_ms = config.lease_ms,
                                .max_fps = config.max_fps.value_or(default_max_fps(name)),
                                .keepalive_ms = config.keepalive_ms,
                                .of_display = is_of_display(name)},
                               find_source(name, config, daemon.shared),
                               make_pool(daemon, name.text(), config)};
}

// What logind calls the desktop that is captured: that of the session which handed it in, or on this display.
Logind::Target desktop_target(const Server& server, const Config& config) {
  if (config.display == kSessionDisplay) {
    const auto pid = server.desktop_pid();
    return pid ? Logind::Target(*pid) : Logind::Target();
  }
  const char* environment = std::getenv("DISPLAY");
  std::string display = config.display.empty() && environment ? environment : config.display;
  return display.substr(0, display.find('.'));  // of all its screens
}

void follow_desktop(Daemon& daemon, const Config& config) {
  if (daemon.logind) return;
  daemon.logind = std::make_unique<Logind>(
      daemon.io, [&server = *daemon.server](const SessionState& state) { server.set_session(state); });
  const auto follow = [&daemon, &config] { daemon.logind->follow(desktop_target(*daemon.server, config)); };
  daemon.server->on_desktop(follow);
  follow();
}

proto::Status add_stream(Daemon& daemon, const std::string& source, const Config& config) {
  const auto name = SourceName::parse(source);
  if (!name) return name.error();
  auto parts = find_parts(daemon, *name, config);
  if (!parts) return parts.error();
  auto stream = Stream::create(std::move(parts->options));
  if (!stream) return stream.error();
  // A session that hands its desktop in comes when this daemon is there.
  const bool may_come_later = parts->options.of_display && config.display == kSessionDisplay;
  const auto start = may_come_later ? Pump::start_without_source : Pump::start;
  auto pump = start(**stream, std::move(parts->source), std::move(parts->pool));
  if (!pump) return pump.error();
  daemon.streams->add(*std::move(stream), *std::move(pump));
  return proto::Ok{};
}

Server::Options server_options(Daemon& daemon, const Config& config) {
  Server::Options options{.rules = config.rules,
                          .allow_uids = config.allow_uids,
                          .group = find_group("framering"),
                          .reload = daemon.reload,
                          .handed = config.display == kSessionDisplay ? daemon.shared.handed.get() : nullptr};
  if (config.exit_when_idle_s) {
    options.idle_time = std::chrono::seconds(*config.exit_when_idle_s);
    options.on_idle = [&daemon] {
      spdlog::info("no client: ending");
      daemon.io.stop();
    };
  }
  return options;
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
        [&server = *daemon.server](int socket) { return server.may_attach(socket); });
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

// What may change while streams go on. An invalid configuration changes nothing.
proto::Status reload(Daemon& daemon, int argc, char* const* argv) {
  const auto parsed = parse_config(argc, argv);
  if (!parsed) {
    spdlog::error("the configuration stays as it was: {}", parsed.error().text());
    return parsed.error();
  }
  const Config& config = std::get<Config>(*parsed);
  daemon.quota->set_limits(config.quota);
  daemon.server->set_policy(server_options(daemon, config));
  set_log_level(config.log_level);
  spdlog::info("policy, quotas and log level are those of the configuration as it is now");
  return proto::Ok{};
}

proto::Status set_up(Daemon& daemon, const Config& config) {
  // The socket first: a second daemon is refused before it takes memory or asks anything of a display.
  auto listener = open_listener(config);
  if (!listener) return listener.error();
  daemon.quota = std::make_unique<Quota>(config.quota);
  daemon.streams = std::make_unique<StreamRegistry>(
      daemon.io,
      [&](const SourceName& name) {
        if (is_of_display(name)) follow_desktop(daemon, config);
        return find_parts(daemon, name, config);
      },
      StreamRegistry::Options{.linger = std::chrono::milliseconds(config.linger_ms)});
  for (const std::string& source : config.sources) {
    if (auto added = add_stream(daemon, source, config); !added) return added;
  }
  spdlog::info("frameringd {} serves {}", FRAMERING_VERSION, listener->path());
  daemon.desktop = std::make_unique<DesktopWatcher>(daemon.io, find_desktop(config, daemon.shared));
  daemon.server = std::make_unique<Server>(daemon.io, *std::move(listener), *daemon.streams, *daemon.desktop,
                                           *daemon.quota, server_options(daemon, config));
  const auto shows_display = [](const std::string& source) {
    return is_of_display(*SourceName::parse(source));
  };
  if (std::ranges::any_of(config.sources, shows_display)) follow_desktop(daemon, config);
  if (auto opened = open_metrics(daemon, config); !opened) return opened;
  daemon.server->start();
  daemon.supervision = std::make_unique<Supervision>(daemon.io, *daemon.server);
  return proto::Ok{};
}

// Tells the clients, then lets go of everything. False if a source hangs where nothing can end it.
bool shut_down(Daemon& daemon, const std::string& reason) {
  daemon.metrics.clear();
  daemon.supervision.reset();
  daemon.logind.reset();
  bool ended = !daemon.streams || daemon.streams->stop(reason);
  ended &= !daemon.desktop || daemon.desktop->stop();
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

void reload_at(boost::asio::signal_set& hang_up, const Daemon& daemon) {
  hang_up.async_wait([&](boost::system::error_code error, int) {
    if (error) return;
    [[maybe_unused]] const auto reloaded = daemon.reload();  // the log says what was wrong
    reload_at(hang_up, daemon);
  });
}

int run(const Config& config, int argc, char* const* arguments) {
  start_logging(config.log_level);
  raise_descriptor_limit();
  signal(SIGPIPE, SIG_IGN);
  auto daemon = std::make_unique<Daemon>();
  daemon->reload = [&daemon = *daemon, argc, arguments] { return reload(daemon, argc, arguments); };
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
  boost::asio::signal_set hang_up(daemon->io, SIGHUP);
  reload_at(hang_up, *daemon);
  daemon->supervision->start();  // whoever is told that it is ready may send signals
  daemon->io.run();
  if (daemon->must_restart && !must_end) {
    ending.clear();  // from here on a signal ends the process as it stands
    return restart(*daemon, arguments);
  }
  tell_stopping("Telling the clients");
  if (!shut_down(*daemon, "frameringd was stopped")) std::_Exit(kEnded);
  return kEnded;
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
    return run(std::get<Config>(*parsed), argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "frameringd: %s\n", error.what());
    return kFailed;
  }
}
