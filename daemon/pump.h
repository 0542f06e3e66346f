// The life of one stream: a new epoch when the geometry changes, back-off and a new source when the source is
// gone. The only place where a source, a pool and a ring meet; epoch_loop serves them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "daemon/capture/source.h"
#include "daemon/memory/pool.h"
#include "daemon/stream.h"
#include "proto/result.h"

namespace framering::daemon {

using SourceFactory = std::function<proto::Result<std::unique_ptr<Source>>()>;
using PoolFactory = std::function<proto::Result<std::unique_ptr<Pool>>(const Geometry&, uint32_t slot_count)>;

class Pump {
 public:
  // Opens the source and allocates the first epoch, so that what is missing is refused at start; then runs.
  // The stream outlives the pump.
  static proto::Result<std::unique_ptr<Pump>> start(Stream& stream, SourceFactory make_source,
                                                    PoolFactory make_pool);
  // Runs without a source, which is looked for from then on: until it is there, the stream is unavailable.
  static proto::Result<std::unique_ptr<Pump>> start_without_source(Stream& stream, SourceFactory make_source,
                                                                   PoolFactory make_pool);
  // Does the same as start() in the pump's thread, which tells `opened` what came of it, once. After an error
  // the thread ends.
  using Opened = std::function<void(const proto::Status&)>;
  static proto::Result<std::unique_ptr<Pump>> launch(Stream& stream, SourceFactory make_source,
                                                     PoolFactory make_pool, Opened opened);
  ~Pump();  // after a stop() that succeeded, `finished`, or a failed launch
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;

  // Any thread. Asks it to end the stream with this reason; the pump's thread calls `finished` as its last
  // act.
  void ask_to_stop(const std::string& reason, std::function<void()> finished);
  // Any thread. Ends the stream for its clients with this reason, and waits. False if the thread did not end
  // in time because a source is being opened that does not answer: the process must then exit without
  // destroying the pump.
  [[nodiscard]] bool stop(const std::string& reason);

 private:
  Pump(Stream& stream, SourceFactory make_source, PoolFactory make_pool);

  proto::Status start_thread(std::function<void(Pump&)> work);
  void ask_to_stop(const std::string& reason);
  proto::Status open_source();
  proto::Status make_epoch(const Geometry& geometry);
  void run();
  void finish();
  void end_epoch(const std::string& reason);
  void drop_source();
  // False when the pump is to stop.
  bool reconnect();

  Stream& stream_;
  const SourceFactory make_source_;
  const PoolFactory make_pool_;

  std::mutex source_mutex_;  // guards the pointer against stop(); only the pump's thread changes it
  std::unique_ptr<Source> source_;
  std::shared_ptr<Epoch> epoch_;
  uint64_t next_epoch_ = 1;
  uint64_t next_sequence_ = 1;

  std::atomic<bool> stopping_{false};
  std::mutex stop_mutex_;
  std::condition_variable stopped_;
  bool finished_ = false;
  std::function<void()> on_finished_;
  std::string stop_reason_;
  std::thread thread_;
};

}  // namespace framering::daemon
