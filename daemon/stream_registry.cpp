#include "daemon/stream_registry.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::Status;

StreamRegistry::StreamRegistry(boost::asio::io_context& io, FindParts find_parts, const Options& options)
    : io_(io), find_parts_(std::move(find_parts)), options_(options) {}

StreamRegistry::~StreamRegistry() {
  // Sessions may let go of a stream later.
  for (const auto& entry : entries_) {
    entry->stream->on_subscribers({});
    entry->stream->on_state({});
  }
}

void StreamRegistry::add(std::shared_ptr<Stream> stream, std::unique_ptr<Pump> pump) {
  auto entry = std::make_unique<Entry>(io_);
  entry->stream = std::move(stream);
  entry->pump = std::move(pump);
  entry->stays = true;
  follow_state(*entry->stream);
  entries_.push_back(std::move(entry));
}

void StreamRegistry::follow_state(Stream& stream) {
  stream.on_state([this, alive = std::weak_ptr(alive_)] {
    boost::asio::post(io_, [this, alive] {
      if (!alive.expired()) tell_change();
    });
  });
}

void StreamRegistry::tell_change() const {
  if (on_change_) on_change_();
}

void StreamRegistry::find(const SourceName& name, const Admit& admit, Done done) {
  if (stopping_) return done(Error{ErrorCode::kUnavailable, "frameringd ends", {}});
  if (Entry* entry = entry_of(name.text())) {
    if (entry->state == Entry::State::kRunning) return done(entry->stream);
    return wait(*entry, std::move(done));
  }
  if (entries_.size() >= proto::kMaxStreams) {
    return done(Error{ErrorCode::kQuotaExceeded,
                      std::to_string(proto::kMaxStreams) + " streams run, which is the most there can be",
                      "close one, or open a source that runs already (framering list)"});
  }
  auto parts = find_parts_(name);
  if (!parts) return done(parts.error());
  auto admitted = admit();
  if (!admitted) return done(admitted.error());
  start(*std::move(parts), *std::move(admitted), std::move(done));
}

void StreamRegistry::start(Parts parts, Quota::Source admitted, Done done) {
  parts.options.account = std::move(admitted.account);
  auto stream = Stream::create(std::move(parts.options));
  if (!stream) return done(stream.error());
  entries_.push_back(std::make_unique<Entry>(io_));
  Entry& entry = *entries_.back();
  entry.stream = *std::move(stream);
  entry.state = Entry::State::kOpening;
  entry.ticket = std::move(admitted.ticket);
  entry.stream->on_subscribers([this, &entry] { subscribers_changed(entry); });
  wait(entry, std::move(done));
  // The entry lives until its pump has ended, and the pump tells this before.
  auto pump = Pump::launch(*entry.stream, std::move(parts.source), std::move(parts.pool),
                           [this, &entry, alive = std::weak_ptr(alive_)](const Status& status) {
                             boost::asio::post(io_, [this, &entry, alive, status] {
                               if (!alive.expired()) opened(entry, status);
                             });
                           });
  if (!pump) return opened(entry, pump.error());
  entry.pump = *std::move(pump);
}

void StreamRegistry::wait(Entry& entry, Done done) {
  auto limit = std::make_unique<boost::asio::steady_timer>(io_, options_.open_limit);
  limit->async_wait([&entry, timer = limit.get()](boost::system::error_code error) {
    if (error) return;
    const auto waiter =
        std::ranges::find_if(entry.waiters, [&](const Waiter& each) { return each.limit.get() == timer; });
    if (waiter == entry.waiters.end()) return;
    const Done late = std::move(waiter->done);
    entry.waiters.erase(waiter);
    late(Error{ErrorCode::kTimeout, "source " + entry.stream->options().source + " did not open in time",
               "is its X server stopped or busy?"});
  });
  entry.waiters.push_back({std::move(done), std::move(limit)});
}

void StreamRegistry::opened(Entry& entry, const Status& status) {
  const auto waiters = std::exchange(entry.waiters, {});
  if (entry.state != Entry::State::kOpening) return;
  if (!status) {
    spdlog::info("{}: cannot be opened: {}", entry.stream->options().source, status.error().text());
    remove(entry);
    for (const Waiter& waiter : waiters) waiter.done(status.error());
    return;
  }
  entry.state = Entry::State::kRunning;
  const auto stream = entry.stream;
  follow_state(*stream);
  tell_change();
  // Also where the one who asked is gone by now.
  subscribers_changed(entry);
  for (const Waiter& waiter : waiters) waiter.done(stream);
}

void StreamRegistry::subscribers_changed(Entry& entry) {
  if (entry.state != Entry::State::kRunning || stopping_) return;
  entry.linger.cancel();
  if (entry.stream->subscribers() > 0) return;
  entry.linger.expires_after(options_.linger);
  entry.linger.async_wait([this, &entry](boost::system::error_code error) {
    if (!error && entry.stream->subscribers() == 0) end(entry);
  });
}

void StreamRegistry::end(Entry& entry) {
  entry.state = Entry::State::kEnding;
  tell_change();
  entry.pump->ask_to_stop("nobody reads it any more", [this, &entry, alive = std::weak_ptr(alive_)] {
    boost::asio::post(io_, [this, &entry, alive] {
      if (!alive.expired()) remove(entry);
    });
  });
}

void StreamRegistry::remove(const Entry& entry) {
  entry.stream->on_subscribers({});
  entry.stream->on_state({});
  std::erase_if(entries_, [&](const auto& each) { return each.get() == &entry; });
  tell_change();
}

StreamRegistry::Entry* StreamRegistry::entry_of(const std::string& source) {
  // One that ends counts no more: the next client gets a stream of its own.
  const auto found = std::ranges::find_if(entries_, [&](const auto& entry) {
    return entry->state != Entry::State::kEnding && entry->stream->options().source == source;
  });
  return found == entries_.end() ? nullptr : found->get();
}

std::vector<std::shared_ptr<Stream>> StreamRegistry::streams() const {
  std::vector<std::shared_ptr<Stream>> streams;
  for (const auto& entry : entries_) {
    if (entry->state == Entry::State::kRunning) streams.push_back(entry->stream);
  }
  return streams;
}

bool StreamRegistry::stop(const std::string& reason) {
  stopping_ = true;
  bool ended = true;
  for (const auto& entry : entries_) {
    if (entry->pump) ended &= entry->pump->stop(reason);
  }
  return ended;
}

}  // namespace framering::daemon
