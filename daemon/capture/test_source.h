// A moving pattern that names its frames (see test_pattern.h): any size at any rate, without a desktop.
#pragma once

#include <memory>
#include <string_view>

#include "daemon/capture/source.h"
#include "daemon/frame.h"
#include "proto/result.h"

namespace framering::daemon {

struct TestSourceOptions {
  Geometry geometry;  // BGRX8888
  double fps = 60;
};

// "test:WIDTHxHEIGHT@FPS"; kInvalidArgument, with the ranges, for anything else.
proto::Result<TestSourceOptions> parse_test_source(std::string_view name);

proto::Result<std::unique_ptr<Source>> open_test_source(const TestSourceOptions& options);

}  // namespace framering::daemon
