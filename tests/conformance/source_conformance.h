// What daemon/capture/source.h promises, as tests that every source passes. A source joins with a rig and
// INSTANTIATE_TEST_SUITE_P.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "daemon/capture/source.h"
#include "tests/support/bound_source.h"

namespace framering::daemon {

// The world that a source looks at.
class SourceRig {
 public:
  virtual ~SourceRig() = default;
  virtual std::unique_ptr<Source> open() = 0;
  // Changes some pixels; afterwards the source can know of it.
  virtual void change(Source& source) = 0;
  // What a frame must show if it is captured now; `frame` helps a rig that cannot look for itself.
  virtual std::vector<std::byte> truth(const Geometry& geometry, std::span<const std::byte> frame) = 0;
};

// Where the source is a peer that can vanish, hang and change its size.
class PeerRig : public SourceRig {
 public:
  virtual void resize(uint32_t width, uint32_t height) = 0;  // smaller than at the start, or back to it
  virtual void hang() = 0;                                   // stops to answer, for good
  virtual void kill() = 0;
  virtual std::string name() const = 0;  // that a message about its end must contain
};

template <class Rig>
struct RigCase {
  std::string name;
  std::function<std::unique_ptr<Rig>()> make;
  friend void PrintTo(const RigCase& rig, std::ostream* out) { *out << rig.name; }
};
inline constexpr auto kRigName = [](const auto& info) { return info.param.name; };

// Pixels of the slot that do not show what they must show now.
size_t stale_pixels(SourceRig& rig, const testing::BoundSource& bound, uint32_t slot);

class SourceConformance : public ::testing::TestWithParam<RigCase<SourceRig>> {
 protected:
  const std::unique_ptr<SourceRig> rig_ = GetParam().make();
};
class PeerSourceConformance : public ::testing::TestWithParam<RigCase<PeerRig>> {
 protected:
  const std::unique_ptr<PeerRig> rig_ = GetParam().make();
};

}  // namespace framering::daemon
