// Another seed each time, printed; FRAMERING_SEED repeats one.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace framering::testing {

inline uint32_t random_seed() {
  const char* given = std::getenv("FRAMERING_SEED");
  const uint32_t seed =
      given ? static_cast<uint32_t>(std::strtoul(given, nullptr, 0)) : std::random_device{}();
  std::printf("FRAMERING_SEED=%u\n", seed);
  return seed;
}

}  // namespace framering::testing
