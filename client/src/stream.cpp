#include "framering/stream.h"

#include "client/src/stream_core.h"
#include "client/src/wait_linux.h"

namespace framering {

namespace {

constexpr std::chrono::seconds kMaxSpin{1};

uint64_t checked_ns(std::chrono::microseconds spin) {
  if (spin < spin.zero() || spin > kMaxSpin) {
    throw Error(ErrorCode::invalid_argument, "spin is out of range: it is 0 to 1 s");
  }
  return static_cast<uint64_t>(std::chrono::nanoseconds(spin).count());
}

}  // namespace

Stream::Stream(std::shared_ptr<internal::StreamCore> core) noexcept : core_(std::move(core)) {}
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&&) noexcept = default;
Stream::~Stream() = default;

std::optional<Frame> Stream::next(std::chrono::nanoseconds timeout, const std::function<bool()>& on_signal,
                                  std::chrono::microseconds spin) {
  return core_->next(internal::deadline_after(timeout), on_signal, checked_ns(spin));
}

std::optional<Frame> Stream::latest(std::chrono::nanoseconds timeout,
                                    const std::function<bool()>& on_signal) {
  return core_->latest(internal::deadline_after(timeout), on_signal);
}

std::optional<Frame> Stream::find(uint64_t sequence) {
  return core_->find(sequence);
}

std::optional<Frame> Stream::wait_until(uint64_t capture_ns, std::chrono::nanoseconds timeout,
                                        const std::function<bool()>& on_signal,
                                        std::chrono::microseconds spin) {
  return core_->wait_until(capture_ns, internal::deadline_after(timeout), on_signal, checked_ns(spin));
}

uint64_t Stream::confirmed_ns() const {
  return core_->confirmed_ns();
}
Point Stream::position() const {
  const proto::DesktopPoint position = core_->position();
  return {position.x, position.y};
}
bool Stream::stale() const {
  return core_->is_stale();
}
bool Stream::wait_live(std::chrono::nanoseconds timeout, const std::function<bool()>& on_signal) {
  return core_->wait_live(internal::deadline_after(timeout), on_signal);
}
std::chrono::milliseconds Stream::keepalive() const {
  return std::chrono::milliseconds(core_->info().keepalive_ms);
}

DesktopState Stream::state() const {
  const uint32_t bits = core_->desktop_state();
  return {(bits & proto::kDesktopBlanked) != 0, (bits & proto::kDesktopLocked) != 0,
          (bits & proto::kDesktopAway) != 0};
}

bool Stream::is_current() const noexcept {
  return core_->is_current();
}

uint64_t Stream::missed() const noexcept {
  return core_->missed();
}
uint32_t Stream::width() const {
  return core_->info().width;
}
uint32_t Stream::height() const {
  return core_->info().height;
}
PixelFormat Stream::format() const {
  return static_cast<PixelFormat>(core_->info().format);
}
Memory Stream::memory() const {
  return static_cast<Memory>(core_->info().memory);
}
uint32_t Stream::leases_held() const {
  return core_->leases_held();
}
uint64_t Stream::epoch() const {
  return core_->info().epoch;
}
std::chrono::milliseconds Stream::lease_time() const {
  return std::chrono::milliseconds(core_->info().lease_ms);
}
const OpenOptions& Stream::options() const noexcept {
  return core_->options();
}

int Stream::wake_fd() {
  return core_->wake_fd();
}
void Stream::arm() {
  core_->arm();
}
void Stream::drain() {
  core_->drain();
}

void Stream::reopen() {
  core_->reopen();
}
void Stream::close() noexcept {
  core_->close();
}

}  // namespace framering
