// One epoch of a stream as mapped into this process, shared by the stream and by every frame of the epoch.
// When the last of them lets go, it is unmapped and the daemon is told.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "client/src/connection_core.h"
#include "client/src/importer.h"
#include "framering/types.h"
#include "proto/message.h"
#include "proto/result.h"
#include "proto/shm_layout.h"
#include "proto/unique_fd.h"

namespace framering::internal {

// Checked against the limits when the epoch was mapped; nothing of it is read from shared memory again.
struct EpochInfo {
  uint64_t epoch = 0;
  uint32_t width = 0;
  uint32_t height = 0;
  uint32_t stride = 0;
  proto::PixelFormat format = proto::PixelFormat::kBgrx8888;
  proto::MemoryKind memory = proto::MemoryKind::kHost;
  uint32_t slot_count = 0;
  uint64_t slot_bytes = 0;
  uint32_t lease_ms = 0;
  uint32_t cursor_shapes = 0;
  uint32_t keepalive_ms = 0;
};

class EpochMapping {
 public:
  // Asks the daemon for the source's newest epoch and maps it.
  static proto::Result<std::shared_ptr<EpochMapping>> open(std::shared_ptr<ConnectionCore> connection,
                                                           const proto::OpenRequest& request,
                                                           const ImportOptions& options);
  ~EpochMapping();
  EpochMapping(const EpochMapping&) = delete;
  EpochMapping& operator=(const EpochMapping&) = delete;

  const EpochInfo& info() const { return info_; }
  const proto::ControlPage& control() const { return *control_; }
  const proto::SlotHeader& slot(uint32_t index) const { return proto::slot_headers(control_)[index]; }
  proto::LeasePage& lease_page() const { return *lease_page_; }
  PixelRegion& pixels() const { return *pixels_; }
  ConnectionCore& connection() const { return *connection_; }
  int wake_pipe() const { return wake_pipe_.get(); }

  // Any thread. The pointer's shape of this serial, fetched once; null where the daemon has overwritten it.
  std::shared_ptr<const CursorShape> cursor_shape(uint32_t serial);

  // Any thread. Asks the daemon to confirm the newest frame at this moment, which is now at the latest, or to
  // publish a newer one. Waits for nothing; a daemon that is gone is lost() to the connection.
  void ask_confirmation(uint64_t at_ns);

  // Any thread. A lease word that nobody else in this process uses, or nothing if all are taken.
  std::optional<uint32_t> take_lease_index();
  void return_lease_index(uint32_t index);
  // Gives the lease back once the work that is on this CUDA stream by now, if one is named, and what the
  // marks stand for is done; its index comes back after that, by itself. After an error nothing has happened.
  proto::Status return_lease_index_after(std::optional<void*> stream, StreamMarks marks, uint32_t index);
  uint32_t leases_taken() const;
  // True while every lease is taken and one at least is on its way back.
  bool awaits_lease();
  // Returns when that is over, at the deadline at the latest; watches, and does not sleep.
  void watch_for_lease(uint64_t until_ns);

 private:
  explicit EpochMapping(std::shared_ptr<ConnectionCore> connection) : connection_(std::move(connection)) {}
  proto::Status map(proto::OpenReply& reply, std::vector<proto::UniqueFd>& fds, const ImportOptions& options);
  proto::Status check_layout(const proto::OpenReply& reply);
  void take_back_leases();

  std::shared_ptr<ConnectionCore> connection_;
  EpochInfo info_;
  uint32_t stream_id_ = 0;
  bool opened_ = false;
  const proto::ControlPage* control_ = nullptr;
  uint64_t control_bytes_ = 0;
  proto::LeasePage* lease_page_ = nullptr;
  std::unique_ptr<PixelRegion> pixels_;
  proto::UniqueFd wake_pipe_;
  proto::UniqueFd bell_;
  std::mutex shapes_mutex_;
  std::vector<std::shared_ptr<const CursorShape>> shapes_;  // the last ones, the newest behind
  uint32_t lease_count_ = 0;
  // A bit for each lease word: taken until the frame that holds it is released, and awaited from then until
  // the device has cleared the word.
  std::atomic<uint32_t> leases_taken_{0};
  std::atomic<uint32_t> leases_awaited_{0};
};

}  // namespace framering::internal
