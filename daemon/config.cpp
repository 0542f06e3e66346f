#include "daemon/config.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>
#include <utility>

#include "daemon/source_name.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::MemoryKind;
using proto::Ok;
using proto::Status;

namespace {

constexpr size_t kUuidTextBytes = 40;  // "GPU-" and the UUID
constexpr std::array kLogLevels = {"trace", "debug", "info", "warn", "error", "off"};

struct Range {
  const char* name;
  int64_t least;
  int64_t most;
  bool or_none = false;  // 0 is allowed too
  std::string text() const {
    return (or_none ? "0 (none), or " : "") + std::to_string(least) + " to " + std::to_string(most);
  }
};
constexpr Range kSlots{"slots", proto::kMinSlots, proto::kMaxSlots};
constexpr Range kLeaseMs{"lease_ms", proto::kMinLeaseMs, proto::kMaxLeaseMs};
constexpr Range kKeepaliveMs{"keepalive_ms", proto::kMinKeepaliveMs, proto::kMaxKeepaliveMs, true};
constexpr Range kLingerMs{"linger_ms", 0, proto::kMaxLingerMs};
constexpr Range kExitWhenIdle{"exit_when_idle", 1, 86'400};
// 2^32 - 1 is no user: it means "unknown" wherever a uid is asked for.
constexpr Range kAllowUid{"allow_uid", 0, int64_t{UINT32_MAX} - 1};
constexpr const char* kMaxFpsRange = "0 (no cap) to 1000";

Error out_of_range(const std::string& name, const std::string& value, const std::string& range) {
  return Error{ErrorCode::kInvalidArgument, name + " is " + value + ": it must be " + range, {}};
}

Status set_integer(uint32_t& to, const Range& range, int64_t value) {
  const bool is_none = range.or_none && value == 0;
  if (!is_none && (value < range.least || value > range.most)) {
    return out_of_range(range.name, std::to_string(value), range.text());
  }
  to = static_cast<uint32_t>(value);
  return Ok{};
}

// What names a device; whether there is such a one is seen when it is looked for.
bool is_device_name(const std::string& device) {
  const bool is_number =
      !device.empty() && device.size() <= 3 &&
      std::all_of(device.begin(), device.end(), [](char c) { return c >= '0' && c <= '9'; });
  return is_number || (device.starts_with("GPU-") && device.size() == kUuidTextBytes);
}

// What the command line gave for a number.
template <class T>
proto::Result<T> parse_number(const std::string& name, const std::string& text, const std::string& range) {
  T value{};
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end) return out_of_range(name, "\"" + text + "\"", range);
  return value;
}

proto::Result<int64_t> parse_integer(const Range& range, const std::string& text) {
  return parse_number<int64_t>(range.name, text, range.text());
}

constexpr const char* kFooter = R"(Examples:
  frameringd                                    the desktop at $DISPLAY, on the default socket
  frameringd --display :1 --max-fps 30          another display, at most 30 captures a second
  frameringd --source test:1920x1080@60         a moving test picture, no X server needed
  frameringd --memory cuda:1                    frames in the memory of the second GPU
  frameringd --config /etc/framering.toml

Memory: auto is cuda where there is a GPU that can share its memory, else host; a line of the log says which and
why. DEVICE is a number or a UUID as nvidia-smi -L prints it. cuda-ipc is for GPUs without virtual memory
management (VMM). In the file, [[stream]] with source = "..." and memory = "..." adds a stream with memory of its
own to those of sources = ["..."]; --source replaces all of them, --memory holds for all of them.
Default socket: $FRAMERING_SOCKET, else framering/socket in $XDG_RUNTIME_DIR, else /run/framering/socket.
Exit codes: 0 ended by a signal or idle, 1 failed while running, 2 wrong command line or configuration,
3 cannot start (display, socket, memory).)";

// What the command line said; the rest comes from the file or stays as it is.
struct Arguments {
  std::optional<std::string> socket, display, memory, config, log_level, slots, lease_ms, keepalive_ms,
      linger_ms, max_fps, exit_when_idle;
  std::vector<std::string> sources, allow_uids;
};

Status apply_numbers(const Arguments& arguments, Config& config) {
  if (arguments.slots) {
    const auto slots = parse_integer(kSlots, *arguments.slots);
    if (!slots) return slots.error();
    if (auto set = set_slots(config, *slots); !set) return set;
  }
  if (arguments.lease_ms) {
    const auto lease_ms = parse_integer(kLeaseMs, *arguments.lease_ms);
    if (!lease_ms) return lease_ms.error();
    if (auto set = set_lease_ms(config, *lease_ms); !set) return set;
  }
  if (arguments.keepalive_ms) {
    const auto keepalive_ms = parse_integer(kKeepaliveMs, *arguments.keepalive_ms);
    if (!keepalive_ms) return keepalive_ms.error();
    if (auto set = set_keepalive_ms(config, *keepalive_ms); !set) return set;
  }
  if (arguments.linger_ms) {
    const auto linger_ms = parse_integer(kLingerMs, *arguments.linger_ms);
    if (!linger_ms) return linger_ms.error();
    if (auto set = set_linger_ms(config, *linger_ms); !set) return set;
  }
  if (arguments.max_fps) {
    const auto fps = parse_number<double>("max_fps", *arguments.max_fps, kMaxFpsRange);
    if (!fps) return fps.error();
    if (auto set = set_max_fps(config, *fps); !set) return set;
  }
  if (arguments.exit_when_idle) {
    const auto seconds = parse_integer(kExitWhenIdle, *arguments.exit_when_idle);
    if (!seconds) return seconds.error();
    if (auto set = set_exit_when_idle(config, *seconds); !set) return set;
  }
  std::vector<int64_t> uids;
  for (const std::string& text : arguments.allow_uids) {
    const auto uid = parse_integer(kAllowUid, text);
    if (!uid) return uid.error();
    uids.push_back(*uid);
  }
  return uids.empty() ? Status(Ok{}) : set_allow_uids(config, uids);
}

Status apply(const Arguments& arguments, Config& config) {
  if (arguments.socket) config.socket = *arguments.socket;
  if (arguments.display) config.display = *arguments.display;
  if (!arguments.sources.empty()) {
    if (auto set = set_sources(config, arguments.sources); !set) return set;
  }
  if (arguments.memory) {
    config.stream_memory.clear();
    if (auto set = set_memory(config.memory, *arguments.memory); !set) return set;
  }
  if (arguments.log_level) {
    if (auto set = set_log_level(config, *arguments.log_level); !set) return set;
  }
  return apply_numbers(arguments, config);
}

}  // namespace

Status set_sources(Config& config, std::vector<std::string> sources) {
  if (sources.empty() || sources.size() > proto::kMaxStreams) {
    return out_of_range("source", std::to_string(sources.size()) + " names", "1 to 64 names");
  }
  for (std::string& source : sources) {
    const auto name = SourceName::parse(source);
    if (!name) return name.error();
    source = name->text();
  }
  for (const std::string& source : sources) {
    if (std::count(sources.begin(), sources.end(), source) > 1) {
      return Error{ErrorCode::kInvalidArgument, "source " + source + " is named twice", {}};
    }
  }
  config.sources = std::move(sources);
  return Ok{};
}

Status set_memory(MemoryChoice& memory, const std::string& name) {
  const size_t colon = name.find(':');
  const std::string kind_name = name.substr(0, colon);
  const std::string device = colon == std::string::npos ? "" : name.substr(colon + 1);
  for (const MemoryKind kind :
       {MemoryKind::kAuto, MemoryKind::kHost, MemoryKind::kCuda, MemoryKind::kCudaIpc}) {
    if (proto::memory_name(kind) != kind_name) continue;
    if (colon != std::string::npos && !(proto::is_cuda(kind) && is_device_name(device))) break;
    memory = {kind, device};
    return Ok{};
  }
  return out_of_range("memory", "\"" + name + "\"",
                      "auto, host, cuda[:DEVICE] or cuda-ipc[:DEVICE], DEVICE being a number or a UUID "
                      "(GPU-...)");
}

Status set_slots(Config& config, int64_t slots) {
  return set_integer(config.slots, kSlots, slots);
}

Status set_max_fps(Config& config, double fps) {
  if (!(fps >= 0 && fps <= proto::kMaxFps)) {
    std::ostringstream value;
    value << fps;
    return out_of_range("max_fps", value.str(), kMaxFpsRange);
  }
  config.max_fps = fps;
  return Ok{};
}

Status set_keepalive_ms(Config& config, int64_t keepalive_ms) {
  return set_integer(config.keepalive_ms, kKeepaliveMs, keepalive_ms);
}

Status set_lease_ms(Config& config, int64_t lease_ms) {
  return set_integer(config.lease_ms, kLeaseMs, lease_ms);
}

Status set_linger_ms(Config& config, int64_t linger_ms) {
  return set_integer(config.linger_ms, kLingerMs, linger_ms);
}

Status set_exit_when_idle(Config& config, int64_t seconds) {
  return set_integer(config.exit_when_idle_s.emplace(), kExitWhenIdle, seconds);
}

Status set_log_level(Config& config, const std::string& level) {
  if (std::find(kLogLevels.begin(), kLogLevels.end(), level) == kLogLevels.end()) {
    return out_of_range("log_level", "\"" + level + "\"", "trace, debug, info, warn, error or off");
  }
  config.log_level = level;
  return Ok{};
}

Status set_allow_uids(Config& config, const std::vector<int64_t>& uids) {
  std::vector<uint32_t> allowed(uids.size());
  for (size_t i = 0; i < uids.size(); ++i) {
    if (auto set = set_integer(allowed[i], kAllowUid, uids[i]); !set) return set;
  }
  config.allow_uids = std::move(allowed);
  return Ok{};
}

Status set_metrics_port(Config& config, int64_t port) {
  uint32_t value = 0;
  if (auto set = set_integer(value, {"metrics.port", 0, UINT16_MAX}, port); !set) return set;
  config.metrics_port = static_cast<uint16_t>(value);
  return Ok{};
}

proto::Result<uint64_t> check_quota(const QuotaKey& key, int64_t value) {
  const auto limit = static_cast<uint64_t>(value);
  if (value >= 1 && limit <= key.most) return limit;
  return out_of_range("quota." + std::string(key.name), std::to_string(value),
                      "1 to " + std::to_string(key.most));
}

proto::Result<std::variant<Config, PrintAndExit>> parse_config(int argc, const char* const* argv) {
  using Parsed = std::variant<Config, PrintAndExit>;
  CLI::App app{"frameringd captures the desktop once and lets many processes read the frames in place."};
  app.footer(kFooter);
  app.set_version_flag("--version", "frameringd " FRAMERING_VERSION);
  Arguments arguments;
  app.add_option("--socket", arguments.socket, "Where clients connect")->type_name("PATH");
  app.add_option("--source", arguments.sources, "What to capture always; may be given several times [screen]")
      ->type_name("SOURCE")
      ->allow_extra_args(false);
  app.add_option("--display", arguments.display, "X display of the source screen [$DISPLAY]")
      ->type_name(":N");
  app.add_option("--memory", arguments.memory, "Where frames live [auto]")
      ->type_name("auto|host|cuda[:DEVICE]|cuda-ipc[:DEVICE]");
  app.add_option("--slots", arguments.slots, "Frames in the ring, 3 to 64 [6]")->type_name("N");
  app.add_option("--max-fps", arguments.max_fps, "Captures a second at most, 0 to 1000, 0 = no cap [60]")
      ->type_name("FPS");
  app.add_option("--lease-ms", arguments.lease_ms,
                 "How long a client may hold a frame for sure, 10 to 60000 [1000]")
      ->type_name("MS");
  app.add_option("--keepalive-ms", arguments.keepalive_ms,
                 "Confirm an unchanged source this often, 0 (only when asked), or 10 to 3600000 [0]")
      ->type_name("MS");
  app.add_option("--linger-ms", arguments.linger_ms,
                 "How long a stream that a client started goes on without readers, 0 to 3600000 [2000]")
      ->type_name("MS");
  app.add_option("--allow-uid", arguments.allow_uids,
                 "User who may attach besides yours and root; may be given several times")
      ->type_name("UID")
      ->allow_extra_args(false);
  app.add_option("--exit-when-idle", arguments.exit_when_idle,
                 "End after so long without a client, 1 to 86400 [never]")
      ->type_name("SECONDS");
  app.add_option("--config", arguments.config, "TOML file with these options as keys")->type_name("FILE");
  app.add_option("--log-level", arguments.log_level, "What goes to stderr [info]")
      ->type_name("trace|debug|info|warn|error|off");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return Parsed(PrintAndExit{app.help()});
  } catch (const CLI::CallForVersion& version) {
    return Parsed(PrintAndExit{std::string(version.what()) + "\n"});
  } catch (const CLI::ArgumentMismatch& error) {
    const std::string text = error.what();
    return Error{ErrorCode::kInvalidArgument, text.substr(0, text.find(':')) + " takes one value",
                 "see frameringd --help"};
  } catch (const CLI::ParseError& error) {
    return Error{ErrorCode::kInvalidArgument, error.what(), "see frameringd --help"};
  }
  Config config;
  if (arguments.config) {
    auto read = read_config_file(*arguments.config);
    if (!read) return read.error();
    config = *std::move(read);
  }
  if (auto applied = apply(arguments, config); !applied) return applied.error();
  return Parsed(std::move(config));
}

}  // namespace framering::daemon
