#include "daemon/pump.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

#include "daemon/epoch_loop.h"
#include "daemon/thread_name.h"
#include "daemon/wait.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::Ok;
using proto::Status;
using std::chrono::milliseconds;

namespace {

constexpr uint64_t kMillisecondNs = 1'000'000;
constexpr uint64_t kFirstBackoffNs = 100 * kMillisecondNs;
constexpr uint64_t kLastBackoffNs = 5'000 * kMillisecondNs;
constexpr milliseconds kStopTimeout{1500};

}  // namespace

Pump::Pump(Stream& stream, SourceFactory make_source, PoolFactory make_pool)
    : stream_(stream), make_source_(std::move(make_source)), make_pool_(std::move(make_pool)) {}

proto::Result<std::unique_ptr<Pump>> Pump::start(Stream& stream, SourceFactory make_source,
                                                 PoolFactory make_pool) {
  std::unique_ptr<Pump> pump(new Pump(stream, std::move(make_source), std::move(make_pool)));
  if (auto opened = pump->open_source(); !opened) return opened.error();
  if (auto started = pump->start_thread([](Pump& running) { running.run(); }); !started)
    return started.error();
  return pump;
}

proto::Result<std::unique_ptr<Pump>> Pump::start_without_source(Stream& stream, SourceFactory make_source,
                                                                PoolFactory make_pool) {
  std::unique_ptr<Pump> pump(new Pump(stream, std::move(make_source), std::move(make_pool)));
  auto started = pump->start_thread([](Pump& running) {
    if (running.reconnect()) running.run();
  });
  if (!started) return started.error();
  return pump;
}

proto::Result<std::unique_ptr<Pump>> Pump::launch(Stream& stream, SourceFactory make_source,
                                                  PoolFactory make_pool, Opened opened) {
  std::unique_ptr<Pump> pump(new Pump(stream, std::move(make_source), std::move(make_pool)));
  auto started = pump->start_thread([opened = std::move(opened)](Pump& running) {
    const Status open = running.open_source();
    opened(open);
    if (open) running.run();
  });
  if (!started) return started.error();
  return pump;
}

Status Pump::start_thread(std::function<void(Pump&)> work) {
  try {
    thread_ = std::thread([this, work = std::move(work)] {
      work(*this);
      finish();
    });
  } catch (const std::system_error& error) {
    return Error{ErrorCode::kOutOfMemory, std::string("cannot start a thread: ") + error.what(), {}};
  }
  return Ok{};
}

Pump::~Pump() {
  if (thread_.joinable()) thread_.join();
}

void Pump::ask_to_stop(const std::string& reason) {
  if (!stopping_.exchange(true)) stop_reason_ = reason;
  stream_.wake_pump();
  std::lock_guard lock(source_mutex_);
  if (source_) source_->interrupt();
}

void Pump::ask_to_stop(const std::string& reason, std::function<void()> finished) {
  std::lock_guard lock(stop_mutex_);
  ask_to_stop(reason);
  if (finished_) return finished();
  on_finished_ = std::move(finished);
}

bool Pump::stop(const std::string& reason) {
  std::unique_lock lock(stop_mutex_);
  if (!thread_.joinable()) return false;
  ask_to_stop(reason);
  if (!stopped_.wait_for(lock, kStopTimeout, [this] { return finished_; })) {
    thread_.detach();
    return false;
  }
  return true;
}

Status Pump::open_source() {
  auto source = make_source_();
  if (!source) return source.error();
  {
    std::lock_guard lock(source_mutex_);
    source_ = *std::move(source);
  }
  auto geometry = source_->geometry();
  if (!geometry) return geometry.error();
  return make_epoch(*geometry);
}

Status Pump::make_epoch(const Geometry& geometry) try {
  const StreamOptions& options = stream_.options();
  if (auto checked = check_geometry(geometry); !checked) return checked;
  auto epoch = std::make_shared<Epoch>();
  auto bells = ReaderBells::create();
  if (!bells) return bells.error();
  epoch->bells = *std::move(bells);
  if (options.account) {
    auto charge = options.account->charge(geometry.frame_bytes() * options.slot_count);
    if (!charge) return charge.error();
    epoch->charge = *std::move(charge);
  }
  auto pool = make_pool_(geometry, options.slot_count);
  if (!pool) return pool.error();
  epoch->geometry = geometry;
  epoch->pool = *std::move(pool);
  if (auto bound = source_->bind(geometry, epoch->pool->surfaces()); !bound) return bound;
  if (auto sealed = epoch->pool->seal(); !sealed) return sealed;

  RingOptions ring_options;
  ring_options.geometry = geometry;
  ring_options.epoch = next_epoch_++;
  ring_options.slot_count = epoch->pool->slot_count();
  ring_options.slot_bytes = epoch->pool->slot_bytes();
  ring_options.next_sequence = next_sequence_;
  ring_options.cursor_shapes = source_->has_cursor() ? proto::kCursorShapes : 0;
  ring_options.lease_ns = options.lease_ms * kMillisecondNs;
  auto ring = Ring::create(ring_options);
  if (!ring) return ring.error();
  epoch->ring = *std::move(ring);
  epoch->ring->set_desktop_state(stream_.desktop_state());

  spdlog::info("{}: epoch {}, {}x{} {}, {} slots", options.source, ring_options.epoch, geometry.width,
               geometry.height, proto::format_name(geometry.format), ring_options.slot_count);
  std::swap(epoch_, epoch);
  stream_.set_epoch(epoch_);
  stream_.metrics.epochs.fetch_add(1);
  // The old epoch ends only now, so that whoever it wakes finds the new one.
  if (epoch) {
    epoch->ring->supersede();
    epoch->publisher.stop();
  }
  return Ok{};
} catch (const std::exception& error) {  // of memory or threads
  return Error{ErrorCode::kOutOfMemory, std::string("cannot set up an epoch: ") + error.what(), {}};
}

void Pump::run() {
  name_this_thread("pump:" + stream_.options().source);
  tighten_timer_slack();
  while (!stopping_) {
    const Ending ending = EpochLoop(stream_, *source_, *epoch_, stopping_).run();
    next_sequence_ = epoch_->ring->next_sequence();
    if (ending.kind == Ending::Kind::kStopped) break;
    if (ending.kind == Ending::Kind::kGeometry) {
      const Status made = make_epoch(ending.geometry);
      if (made) continue;
      end_epoch(made.error().text());
    } else {
      end_epoch(ending.reason);
    }
    if (!reconnect()) break;
  }
}

void Pump::finish() {
  std::lock_guard lock(stop_mutex_);
  if (epoch_) end_epoch(stop_reason_);
  drop_source();
  finished_ = true;
  stopped_.notify_all();
  if (on_finished_) on_finished_();
}

void Pump::end_epoch(const std::string& reason) {
  spdlog::info("{}: ended: {}", stream_.options().source, reason);
  stream_.set_unavailable(reason);
  epoch_->ring->end(reason);
  epoch_->publisher.stop();
  epoch_.reset();
}

void Pump::drop_source() {
  std::lock_guard lock(source_mutex_);
  source_.reset();
}

bool Pump::reconnect() {
  uint64_t backoff_ns = kFirstBackoffNs;
  std::string reason;
  while (!stopping_) {
    drop_source();
    const uint64_t retry_ns = now_ns() + backoff_ns;
    while (!stopping_ && !stream_.take_retry() && now_ns() < retry_ns) {
      stream_.drain_wake_fd();
      wait_for_fds({stream_.wake_fd()}, retry_ns);
    }
    if (stopping_) return false;
    const Status opened = open_source();
    if (opened) return true;
    if (reason != opened.error().text()) {
      reason = opened.error().text();
      spdlog::warn("{}: cannot be opened again yet: {}", stream_.options().source, reason);
      stream_.set_unavailable(reason);
    }
    backoff_ns = std::min(2 * backoff_ns, kLastBackoffNs);
  }
  return false;
}

}  // namespace framering::daemon
