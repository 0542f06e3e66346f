#include "daemon/memory/host_pool.h"
#include "tests/conformance/pool_cases.h"

namespace framering::testing {

std::vector<PoolCase> pool_cases() {
  return {{"host", daemon::HostPool::create}};
}

}  // namespace framering::testing
