// A moving pattern that names its frames (see test_pattern.h): any size at any rate, without a desktop.
#pragma once

#include <memory>

#include "daemon/capture/source.h"
#include "daemon/frame.h"
#include "proto/result.h"

namespace framering::daemon {

struct TestSourceOptions {
  Geometry geometry;  // BGRX8888
  double fps = 60;
};

proto::Result<std::unique_ptr<Source>> open_test_source(const TestSourceOptions& options);

}  // namespace framering::daemon
