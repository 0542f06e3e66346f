// What frameringd is told: the command line beats the configuration file beats the defaults. Names are the
// same everywhere: --lease-ms is lease_ms in the file. What one stream has of its own stands in the file
// alone:
//   [[stream]]
//   source = "test:1920x1080@60"
//   memory = "cuda:1"
// adds this stream to those of `sources`. --source replaces them all, --memory holds for them all.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "daemon/policy.h"
#include "daemon/quota.h"
#include "proto/limits.h"
#include "proto/message.h"
#include "proto/result.h"

namespace framering::daemon {

// Where frames live: "auto", "host", "cuda", "cuda:1", "cuda:GPU-...", and the same for "cuda-ipc".
struct MemoryChoice {
  proto::MemoryKind kind = proto::MemoryKind::kAuto;
  std::string device;  // of the CUDA kinds: a number or "GPU-..."; empty: the first

  friend bool operator==(const MemoryChoice&, const MemoryChoice&) = default;
};

struct Config {
  std::string socket;  // empty: the default path
  std::vector<std::string> sources{"screen"};
  std::string display;  // empty: $DISPLAY
  MemoryChoice memory;
  std::map<std::string, MemoryChoice> stream_memory;  // of the sources that have their own
  uint32_t slots = proto::kDefaultSlots;
  std::optional<double> max_fps;  // unset: 60, or a test source's own rate; 0 = no cap
  uint32_t lease_ms = proto::kDefaultLeaseMs;
  uint32_t keepalive_ms = 0;                     // 0 = none
  uint32_t linger_ms = proto::kDefaultLingerMs;  // of streams that are not in `sources`, without a reader
  std::optional<uint32_t> exit_when_idle_s;      // unset: never
  std::string log_level = "info";
  std::vector<uint32_t> allow_uids;  // who may attach besides the daemon's own user and root
  std::vector<PolicyRule> rules;     // [[policy]], before allow_uids
  QuotaLimits quota;
  std::string metrics_socket;  // where Prometheus reads; empty: nowhere
  uint16_t metrics_port = 0;   // likewise, on 127.0.0.1; 0: none

  friend bool operator==(const Config&, const Config&) = default;
};

// The command line asked for a text (--help, --version) and nothing else.
struct PrintAndExit {
  std::string text;
};

// kInvalidArgument says which option or which key (file, line, column), what is wrong and what is allowed.
proto::Result<std::variant<Config, PrintAndExit>> parse_config(int argc, const char* const* argv);

// The defaults, changed by a TOML file.
proto::Result<Config> read_config_file(const std::string& path);

// What such a file may hold: "slots", "quota.clients", "stream.source" and so on.
std::vector<std::string> config_keys();

// One value each, with its range; both the command line and the file go through these.
proto::Status set_sources(Config& config, std::vector<std::string> sources);
proto::Status set_memory(MemoryChoice& memory, const std::string& name);
proto::Status set_slots(Config& config, int64_t slots);
proto::Status set_max_fps(Config& config, double fps);
proto::Status set_keepalive_ms(Config& config, int64_t keepalive_ms);
proto::Status set_lease_ms(Config& config, int64_t lease_ms);
proto::Status set_linger_ms(Config& config, int64_t linger_ms);
proto::Status set_exit_when_idle(Config& config, int64_t seconds);
proto::Status set_log_level(Config& config, const std::string& level);
proto::Status set_allow_uids(Config& config, const std::vector<int64_t>& uids);
proto::Status set_metrics_port(Config& config, int64_t port);
proto::Result<uint64_t> check_quota(const QuotaKey& key, int64_t value);

}  // namespace framering::daemon
