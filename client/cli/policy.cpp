#include <unistd.h>

#include <cinttypes>
#include <cstdio>

#include "client/cli/commands.h"

namespace framering::cli {

int policy_check(const std::string& socket, const PolicyOptions& options) {
  Connection connection = Connection::connect(socket, "framering policy");
  const auto verdict = connection.check_policy(options.uid.value_or(geteuid()), options.source);
  std::printf("%s: %s\n", verdict.allowed ? "allowed" : "denied", verdict.reason.c_str());
  for (const auto& use : verdict.quota) {
    std::printf("  %-20s %" PRIu64 " of %" PRIu64 "\n", use.name.c_str(), use.used, use.limit);
  }
  return verdict.allowed ? kOk : kFailed;
}

int reload(const std::string& socket) {
  Connection::connect(socket, "framering reload").reload();
  return kOk;
}

}  // namespace framering::cli
