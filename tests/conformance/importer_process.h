// A client's importer in a process of its own, as the daemon's clients are.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>

#include "daemon/memory/pool.h"
#include "proto/message.h"
#include "proto/unique_fd.h"
#include "tests/support/child.h"

namespace framering::testing {

inline constexpr uid_t kNobody = 65534;

class ImporterProcess {
 public:
  // Forks at once: a driver that this process has loaded would be of no use in a child. Becomes this user
  // after it has loaded its own, where it may; 0: stays.
  explicit ImporterProcess(uid_t uid = 0);
  ImporterProcess(const ImporterProcess&) = delete;
  ImporterProcess& operator=(const ImporterProcess&) = delete;

  // Maps the region, in place of the one before. False where it cannot be mapped.
  bool map(proto::MemoryKind kind, const daemon::PoolHandle& handle, uint64_t region_bytes);
  // Whether all of these bytes of the region have the value.
  bool shows(uint64_t offset, uint64_t bytes, int value);

 private:
  struct Order;
  bool ask(const Order& order, int fd = -1);
  static int obey(int socket, uid_t uid);

  std::array<proto::UniqueFd, 2> ends_;
  Child child_;
};

}  // namespace framering::testing
