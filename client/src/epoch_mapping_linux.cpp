#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <string>
#include <utility>

#include "client/src/epoch_mapping.h"
#include "client/src/wait_linux.h"
#include "proto/cursor_shapes.h"
#include "proto/lease.h"
#include "proto/relax.h"

namespace framering::internal {

using proto::Error;
using proto::ErrorCode;
using proto::FdRole;
using proto::UniqueFd;

namespace {

Error broken_daemon(const std::string& what) {
  return Error{ErrorCode::kProtocol, "the daemon sent a stream that cannot be: " + what, {}};
}

// The one descriptor of this role, or an invalid one.
UniqueFd take_fd(const proto::OpenReply& reply, std::vector<UniqueFd>& fds, FdRole role) {
  UniqueFd taken;
  for (size_t i = 0; i < fds.size(); ++i) {
    if (reply.fd_roles[i] == role) taken = std::move(fds[i]);
  }
  return taken;
}

}  // namespace

proto::Result<std::shared_ptr<EpochMapping>> EpochMapping::open(std::shared_ptr<ConnectionCore> connection,
                                                                const proto::OpenRequest& request,
                                                                const ImportOptions& options) {
  auto answer = connection->request(request);
  if (!answer) return answer.error();
  auto* reply = std::get_if<proto::OpenReply>(&answer->body);
  if (!reply) return broken_daemon("it answered something else");
  std::shared_ptr<EpochMapping> mapping(new EpochMapping(std::move(connection)));
  mapping->stream_id_ = reply->stream_id;
  mapping->opened_ = true;
  if (auto mapped = mapping->map(*reply, answer->fds, options); !mapped) return mapped.error();
  mapping->connection_->add_page(mapping->lease_page_);
  return mapping;
}

proto::Status EpochMapping::map(proto::OpenReply& reply, std::vector<UniqueFd>& fds,
                                const ImportOptions& options) {
  if (reply.layout_version != proto::kLayoutVersion) {
    return Error{ErrorCode::kVersion,
                 "frameringd " + connection_->welcome().daemon_version + " shares layout " +
                     std::to_string(reply.layout_version) + ", this library reads " +
                     std::to_string(proto::kLayoutVersion),
                 "install the same version of both"};
  }
  if (fds.size() != reply.fd_roles.size()) return broken_daemon("descriptors are missing");
  const UniqueFd control = take_fd(reply, fds, FdRole::kControl);
  UniqueFd pixels = take_fd(reply, fds, FdRole::kPixels);
  const UniqueFd lease = take_fd(reply, fds, FdRole::kLease);
  wake_pipe_ = take_fd(reply, fds, FdRole::kWakePipe);
  bell_ = take_fd(reply, fds, FdRole::kBell);
  const bool has_pixels = pixels || reply.memory == proto::MemoryKind::kCudaIpc;
  if (!control || !has_pixels || !lease || !bell_) return broken_daemon("descriptors are missing");
  if (reply.control_bytes < sizeof(proto::ControlPage)) return broken_daemon("its control page is too small");

  if (auto checked = check_sealed(control, reply.control_bytes, "control page"); !checked) return checked;
  void* page = mmap(nullptr, reply.control_bytes, PROT_READ, MAP_SHARED, control.get(), 0);
  if (page == MAP_FAILED)
    return proto::errno_error(ErrorCode::kOutOfMemory, "cannot map the control page", errno);
  control_ = static_cast<const proto::ControlPage*>(page);
  control_bytes_ = reply.control_bytes;

  if (auto checked = check_sealed(lease, proto::kLeaseBytes, "lease page"); !checked) return checked;
  page = mmap(nullptr, proto::kLeaseBytes, PROT_READ | PROT_WRITE, MAP_SHARED, lease.get(), 0);
  if (page == MAP_FAILED)
    return proto::errno_error(ErrorCode::kOutOfMemory, "cannot map the lease page", errno);
  lease_page_ = static_cast<proto::LeasePage*>(page);
  lease_count_ = reply.max_leases;

  if (auto checked = check_layout(reply); !checked) return checked;
  auto region = import_pixels({reply.memory, reply.region_bytes, std::move(pixels),
                               std::move(reply.memory_handle), reply.device_uuid},
                              *lease_page_, options);
  if (!region) return region.error();
  pixels_ = *std::move(region);
  return proto::Ok{};
}

proto::Status EpochMapping::check_layout(const proto::OpenReply& reply) {
  const proto::ControlPage& page = *control_;
  if (page.magic != proto::kControlMagic || page.layout_version != proto::kLayoutVersion ||
      lease_page_->magic != proto::kLeaseMagic) {
    return broken_daemon("its pages are not of this layout");
  }
  info_ = {reply.epoch,
           page.width,
           page.height,
           page.stride,
           static_cast<proto::PixelFormat>(page.format),
           reply.memory,
           page.slot_count,
           page.slot_bytes,
           reply.lease_ms,
           page.cursor_shapes,
           reply.keepalive_ms};
  const EpochInfo& info = info_;
  if (info.slot_count < 1 || info.slot_count > proto::kMaxSlots ||
      info.cursor_shapes > proto::kCursorShapes ||
      reply.control_bytes != proto::control_bytes(info.slot_count, info.cursor_shapes)) {
    return broken_daemon("its number of slots or shapes is wrong");
  }
  if (info.width < 1 || info.width > proto::kMaxDimension || info.height < 1 ||
      info.height > proto::kMaxDimension || !proto::is_known(info.format) ||
      info.stride < proto::stride_bytes(info.width, info.format) ||
      info.stride > proto::stride_bytes(proto::kMaxDimension, info.format)) {
    return broken_daemon("its geometry is out of range");
  }
  if (reply.region_bytes > proto::kMaxRegionBytes || info.slot_bytes > reply.region_bytes / info.slot_count ||
      uint64_t{info.stride} * info.height > info.slot_bytes) {
    return broken_daemon("its frames do not fit its memory");
  }
  return proto::Ok{};
}

EpochMapping::~EpochMapping() {
  pixels_.reset();  // nothing reads the pixels then, and no device writes the lease page
  if (connection_->in_own_process()) {
    if (lease_page_) connection_->remove_page(lease_page_);
    if (opened_ && !connection_->lost()) {
      // The answer must be read: a client with an unread message gets no other. Its content changes nothing.
      [[maybe_unused]] const auto closed = connection_->request(proto::CloseRequest{stream_id_});
    }
  }
  if (control_) munmap(const_cast<proto::ControlPage*>(control_), control_bytes_);
  if (lease_page_) munmap(lease_page_, proto::kLeaseBytes);
}

std::shared_ptr<const CursorShape> EpochMapping::cursor_shape(uint32_t serial) {
  constexpr size_t kKept = 64;  // an animated pointer shows a few in turn
  std::lock_guard lock(shapes_mutex_);
  const auto known =
      std::ranges::find_if(shapes_, [&](const auto& shape) { return shape->serial == serial; });
  if (known != shapes_.end()) return *known;
  auto picture =
      proto::read_shape({proto::cursor_shapes(control_, info_.slot_count), info_.cursor_shapes}, serial);
  if (!picture) return nullptr;
  if (shapes_.size() == kKept) shapes_.erase(shapes_.begin());
  shapes_.push_back(std::make_shared<const CursorShape>(CursorShape{
      serial, picture->width, picture->height, picture->hot_x, picture->hot_y, std::move(picture->argb)}));
  return shapes_.back();
}

void EpochMapping::ask_confirmation(uint64_t at_ns) {
  std::atomic<uint64_t>& asked = lease_page_->asked_ns;
  uint64_t before = asked.load(std::memory_order_seq_cst);
  while (before < at_ns && !asked.compare_exchange_weak(before, at_ns, std::memory_order_seq_cst)) {
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t rung = write(bell_.get(), &one, sizeof one);
}

std::optional<uint32_t> EpochMapping::take_lease_index() {
  take_back_leases();
  uint32_t taken = leases_taken_.load(std::memory_order_relaxed);
  for (;;) {
    const auto index = static_cast<uint32_t>(std::countr_one(taken));
    if (index >= lease_count_) return std::nullopt;
    if (leases_taken_.compare_exchange_weak(taken, taken | 1u << index, std::memory_order_acquire))
      return index;
  }
}

void EpochMapping::return_lease_index(uint32_t index) {
  leases_taken_.fetch_and(~(1u << index), std::memory_order_release);
}

proto::Status EpochMapping::return_lease_index_after(std::optional<void*> stream, StreamMarks marks,
                                                     uint32_t index) {
  std::atomic<uint64_t>& word = lease_page_->leases[index];
  if (auto begun = pixels_->release_after(stream, marks, word); !begun) return begun;
  leases_awaited_.fetch_or(1u << index, std::memory_order_release);
  return proto::Ok{};
}

uint32_t EpochMapping::leases_taken() const {
  return static_cast<uint32_t>(std::popcount(leases_taken_.load(std::memory_order_relaxed)));
}

bool EpochMapping::awaits_lease() {
  take_back_leases();
  const auto taken = static_cast<uint32_t>(std::popcount(leases_taken_.load(std::memory_order_relaxed)));
  const uint32_t awaited = leases_awaited_.load(std::memory_order_relaxed);
  if (taken < lease_count_ || awaited == 0) return false;
  if (pixels_->is_lost()) {
    for (uint32_t index = 0; index < lease_count_; ++index) {
      if (awaited & 1u << index) proto::release(lease_page_->leases[index]);
    }
  }
  return true;
}

void EpochMapping::watch_for_lease(uint64_t until_ns) {
  while (awaits_lease() && now_ns() < until_ns) proto::relax();
}

void EpochMapping::take_back_leases() {
  for (uint32_t left = leases_awaited_.load(std::memory_order_acquire); left != 0; left &= left - 1) {
    const uint32_t bit = left & ~(left - 1);
    const auto index = static_cast<uint32_t>(std::countr_zero(bit));
    if (lease_page_->leases[index].load(std::memory_order_acquire) != 0) continue;
    // Of several threads that see this, the one that clears the bit.
    if (leases_awaited_.fetch_and(~bit, std::memory_order_acq_rel) & bit) return_lease_index(index);
  }
}

}  // namespace framering::internal
