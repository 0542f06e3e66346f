#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "daemon/stream.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;

Attachment::Attachment(std::shared_ptr<Stream> stream, std::shared_ptr<Epoch> epoch,
                       std::shared_ptr<Reader> reader)
    : stream_(std::move(stream)), epoch_(std::move(epoch)), reader_(std::move(reader)) {
  stream_->count_subscribers(1);
}

Attachment::~Attachment() {
  stream_->metrics.drops_caused_before.fetch_add(reader_->drops_caused.load());
  stream_->metrics.leases_broken_before.fetch_add(reader_->leases_broken.load());
  unsubscribe();
  epoch_->bells.forget(reader_->bell());
  epoch_->readers.remove(reader_.get());
  stream_->wake_pump();
}

void Attachment::unsubscribe() {
  if (!reader_->subscribed.exchange(false)) return;
  stream_->wake_pump();
  stream_->count_subscribers(-1);
}

proto::Result<std::shared_ptr<Stream>> Stream::create(StreamOptions options) {
  std::shared_ptr<Stream> stream(new Stream(std::move(options)));
  stream->wake_fd_ = proto::UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stream->wake_fd_)
    return proto::errno_error(ErrorCode::kOutOfMemory, "cannot create an eventfd", errno);
  return stream;
}

proto::Result<std::unique_ptr<Attachment>> Stream::attach(const ReaderOptions& options) {
  auto reader = Reader::create(options);
  if (!reader) return reader.error();
  std::shared_ptr<Epoch> attached;
  {
    std::lock_guard lock(mutex_);
    if (!epoch_) {
      return Error{ErrorCode::kUnavailable,
                   "source " + options_.source + " cannot be opened now: " + unavailable_,
                   "it comes back by itself; try again"};
    }
    if (auto watched = epoch_->bells.watch((*reader)->bell()); !watched) return watched.error();
    epoch_->readers.add(*reader);
    attached = epoch_;
  }
  auto attachment = std::make_unique<Attachment>(shared_from_this(), std::move(attached), *std::move(reader));
  wake_pump();
  return attachment;
}

void Stream::count_subscribers(int change) {
  subscribers_.fetch_add(static_cast<uint32_t>(change));
  if (subscribers_changed_) subscribers_changed_();
}

proto::StreamInfo Stream::info() const {
  proto::StreamInfo info;
  info.source = options_.source;
  info.max_fps = options_.max_fps;
  info.captures = captures.load();
  info.published = published.load();
  info.dropped = dropped.load();
  std::lock_guard lock(mutex_);
  info.available = epoch_ != nullptr;
  if (!epoch_) {
    info.reason = unavailable_;
    return info;
  }
  info.epoch = epoch_->ring->options().epoch;
  info.width = epoch_->geometry.width;
  info.height = epoch_->geometry.height;
  info.format = epoch_->geometry.format;
  info.memory = epoch_->pool->kind();
  info.slot_count = static_cast<uint16_t>(epoch_->pool->slot_count());
  return info;
}

uint64_t Stream::memory_bytes() const {
  std::lock_guard lock(mutex_);
  return epoch_ ? epoch_->pool->slot_bytes() * epoch_->pool->slot_count() : 0;
}

void Stream::ask_for_life() {
  {
    std::lock_guard lock(mutex_);
    if (epoch_) epoch_->publisher.ask_for_life();
  }
  pump_heartbeat_.ask();
  wake_pump();
}

bool Stream::is_alive() const {
  std::lock_guard lock(mutex_);
  return pump_heartbeat_.answered() && (!epoch_ || epoch_->publisher.is_alive());
}

void Stream::on_state(std::function<void()> changed) {
  std::lock_guard lock(mutex_);
  state_changed_ = std::move(changed);
}

void Stream::set_epoch(std::shared_ptr<Epoch> epoch) {
  std::function<void()> changed;
  {
    std::lock_guard lock(mutex_);
    epoch_.swap(epoch);
    changed = state_changed_;
  }
  if (changed) changed();
}

void Stream::set_unavailable(std::string reason) {
  std::shared_ptr<Epoch> old;  // freed after the lock
  std::function<void()> changed;
  {
    std::lock_guard lock(mutex_);
    old = std::exchange(epoch_, nullptr);
    unavailable_ = std::move(reason);
    changed = state_changed_;
  }
  if (changed) changed();
}

bool Stream::pause_if_unused(Epoch& epoch) {
  std::lock_guard lock(mutex_);
  if (epoch.readers.subscribers() > 0) return false;
  epoch.ring->retract();
  return true;
}

double Stream::wanted_fps(const Epoch& epoch) const {
  double fps = 0;
  const auto readers = epoch.readers.snapshot();
  for (const ReaderEntry& entry : *readers) {
    const Reader& reader = *entry.reader;
    if (!reader.subscribed.load()) continue;
    if (reader.options().max_fps <= 0) return options_.max_fps;
    fps = std::max(fps, reader.options().max_fps);
  }
  return options_.max_fps > 0 ? std::min(fps, options_.max_fps) : fps;
}

bool Stream::wants_cursor(const Epoch& epoch) const {
  const auto readers = epoch.readers.snapshot();
  return std::any_of(readers->begin(), readers->end(), [](const ReaderEntry& entry) {
    return entry.reader->options().cursor && entry.reader->subscribed.load();
  });
}

void Stream::set_desktop_state(uint32_t mask, uint32_t bits) {
  uint32_t before = desktop_state_.load();
  while (!desktop_state_.compare_exchange_weak(before, (before & ~mask) | (bits & mask))) {
  }
  if ((before & mask) != (bits & mask)) wake_pump();
}

void Stream::renew() {
  renewal_.store(true);
  wake_pump();
}

void Stream::retry() {
  retry_.store(true);
  wake_pump();
}

void Stream::wake_pump() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_.get(), &one, sizeof one);
}

void Stream::drain_wake_fd() {
  pump_heartbeat_.answer();
  uint64_t count;
  [[maybe_unused]] const ssize_t got = read(wake_fd_.get(), &count, sizeof count);
}

}  // namespace framering::daemon
