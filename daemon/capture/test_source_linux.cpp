#include <sys/timerfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/capture/test_pattern.h"
#include "daemon/capture/test_source.h"
#include "proto/unique_fd.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::Ok;
using proto::Result;
using proto::Status;
using proto::UniqueFd;

namespace {

constexpr double kSecondNs = 1e9;

itimerspec every(double period_ns) {
  timespec period;
  period.tv_sec = static_cast<time_t>(period_ns / kSecondNs);
  period.tv_nsec = static_cast<long>(period_ns - static_cast<double>(period.tv_sec) * kSecondNs);
  return {period, period};
}

class TestSource final : public Source {
 public:
  TestSource(const TestSourceOptions& options, UniqueFd timer)
      : geometry_(options.geometry), timer_(std::move(timer)) {}

  Result<Geometry> geometry() override {
    if (interrupted_) return gone();
    return geometry_;
  }
  Status bind(const Geometry& geometry, std::span<const Surface> surfaces) override;
  int event_fd() const override { return timer_.get(); }
  Result<SourceEvents> poll() override;
  Result<CaptureInfo> capture(size_t surface, Request request) override;
  bool wants_safety_frames() const override { return false; }
  void interrupt() override;

 private:
  static Error gone() { return {ErrorCode::kUnavailable, "the test source was interrupted", {}}; }

  const Geometry geometry_;
  const UniqueFd timer_;
  std::atomic<bool> interrupted_{false};
  uint32_t frame_number_ = 0;
  std::vector<Surface> surfaces_;
  std::vector<std::optional<uint32_t>> painted_;  // the frame that each surface holds
  std::optional<uint32_t> captured_;              // the frame of the capture before
};

Status TestSource::bind(const Geometry& geometry, std::span<const Surface> surfaces) {
  if (geometry != geometry_)
    return Error{ErrorCode::kInvalidArgument, "the test source has another size", {}};
  surfaces_.assign(surfaces.begin(), surfaces.end());
  painted_.assign(surfaces.size(), std::nullopt);
  captured_.reset();
  return Ok{};
}

Result<SourceEvents> TestSource::poll() {
  if (interrupted_) return gone();
  // Periods that went by unseen are frames that nobody looked at.
  uint64_t periods = 0;
  if (read(timer_.get(), &periods, sizeof periods) != sizeof periods) return SourceEvents{};
  frame_number_ += static_cast<uint32_t>(periods);
  return SourceEvents{.changed = true};
}

Result<CaptureInfo> TestSource::capture(size_t surface, Request request) {
  if (interrupted_) return gone();
  CaptureInfo info;
  info.requested_ns = now_ns();
  if (request == Request::kFull || painted_[surface] != frame_number_) {
    paint_test_pattern(frame_number_, geometry_, {surfaces_[surface].data, geometry_.frame_bytes()});
    painted_[surface] = frame_number_;
  }
  // The barcode covers the picture, so that another frame differs everywhere.
  if (request == Request::kFull || captured_ != frame_number_) info.damage.set_full(geometry_);
  captured_ = frame_number_;
  info.done_ns = now_ns();
  return info;
}

void TestSource::interrupt() {
  interrupted_ = true;
  const itimerspec now = every(1);
  timerfd_settime(timer_.get(), 0, &now, nullptr);
}

}  // namespace

Result<std::unique_ptr<Source>> open_test_source(const TestSourceOptions& options) {
  UniqueFd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  const itimerspec period = every(kSecondNs / options.fps);
  if (!timer || timerfd_settime(timer.get(), 0, &period, nullptr) != 0) {
    return proto::errno_error(ErrorCode::kOutOfMemory, "cannot create a timer for the test source", errno);
  }
  return std::unique_ptr<Source>(std::make_unique<TestSource>(options, std::move(timer)));
}

}  // namespace framering::daemon
