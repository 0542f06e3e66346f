// The pools that this build has.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "daemon/memory/pool.h"
#include "proto/result.h"

namespace framering::testing {

struct PoolCase {
  std::string name;
  std::function<proto::Result<std::unique_ptr<daemon::Pool>>(const daemon::Geometry&, uint32_t)> create;
  std::function<void()> need = [] {};  // skips the test where this machine cannot have such a pool
  friend void PrintTo(const PoolCase& pool, std::ostream* out) { *out << pool.name; }
};

std::vector<PoolCase> pool_cases();

}  // namespace framering::testing
