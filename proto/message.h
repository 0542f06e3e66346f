// Building and checking control messages. A received packet is copied, then verified with depth and size
// capped; nothing of an unverified buffer is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proto/cuda_uuid.h"
#include "proto/limits.h"
#include "proto/pixel_format.h"
#include "proto/result.h"

namespace framering::proto {

inline constexpr uint16_t kProtocolVersion = 1;

// Wire values: append only.
enum class MemoryKind : uint8_t { kAuto = 0, kHost = 1, kCuda = 2, kCudaIpc = 3 };
enum class CursorMode : uint8_t { kHidden = 0, kMetadata = 1, kEmbedded = 2 };
enum class FdRole : uint8_t { kControl = 1, kPixels = 2, kLease = 3, kWakePipe = 4, kBell = 5 };

constexpr bool is_known(MemoryKind kind) {
  return kind <= MemoryKind::kCudaIpc;
}
constexpr bool is_known(CursorMode mode) {
  return mode <= CursorMode::kEmbedded;
}
constexpr bool is_cuda(MemoryKind kind) {
  return kind == MemoryKind::kCuda || kind == MemoryKind::kCudaIpc;
}
std::string_view memory_name(MemoryKind kind);

inline constexpr size_t kCudaIpcHandleBytes = 64;

struct Hello {
  uint16_t protocol_version = kProtocolVersion;
  std::string client_name;
};
struct Welcome {
  uint16_t protocol_version = kProtocolVersion;
  std::string daemon_version;
  uint32_t daemon_pid = 0;
};
struct ListRequest {};
struct ClientInfo {
  uint32_t pid = 0;
  uint32_t uid = 0;
  std::string name;
  uint16_t leases_held = 0;
  uint64_t drops_caused = 0;
  uint64_t leases_broken = 0;
  uint64_t confirmations_asked = 0;
};
struct StreamInfo {
  std::string source;
  bool available = false;
  std::string reason;
  uint64_t epoch = 0;
  uint32_t width = 0;
  uint32_t height = 0;
  PixelFormat format = PixelFormat::kBgrx8888;
  MemoryKind memory = MemoryKind::kHost;
  uint16_t slot_count = 0;
  double max_fps = 0;
  uint64_t captures = 0;
  uint64_t published = 0;
  uint64_t dropped = 0;
  uint32_t client_count = 0;
  std::vector<ClientInfo> clients;  // as many as fit a message
};
struct ListReply {
  std::vector<StreamInfo> streams;
};
struct OpenRequest {
  std::string source;
  MemoryKind memory = MemoryKind::kAuto;
  uint16_t max_leases = kDefaultLeases;
  double max_fps = 0;
  bool wake_pipe = false;
  CursorMode cursor = CursorMode::kHidden;
};
struct OpenReply {
  uint32_t stream_id = 0;
  uint16_t layout_version = 0;
  uint64_t epoch = 0;
  MemoryKind memory = MemoryKind::kHost;
  uint32_t lease_ms = kDefaultLeaseMs;
  uint64_t control_bytes = 0;
  uint64_t region_bytes = 0;
  uint16_t max_leases = 0;
  std::vector<FdRole> fd_roles;
  std::optional<CudaUuid> device_uuid{};   // of the CUDA kinds
  std::vector<std::byte> memory_handle{};  // of kCudaIpc, which has no descriptor for its pixels
  uint32_t keepalive_ms = 0;
};
struct CloseRequest {
  uint32_t stream_id = 0;
};
struct CloseReply {};
struct MetricsRequest {};
struct MetricsReply {
  uint64_t bytes = 0;  // of the file whose descriptor comes along
};
struct PolicyRequest {
  uint32_t uid = 0;
  std::string source;
};
struct QuotaUse {
  std::string name;  // "clients_per_uid"
  uint64_t used = 0;
  uint64_t limit = 0;
};
struct PolicyReply {
  bool allowed = false;
  std::string reason;
  std::vector<QuotaUse> quota{};
};
struct ReloadRequest {};
struct ReloadReply {};
struct DisplayRequest {
  std::string name;
  std::string auth_name{};
  std::vector<std::byte> auth_data{};
};
struct DisplayReply {};

struct DesktopRequest {};
struct MonitorInfo {
  std::string name{};
  std::string output{};
  int32_t x = 0;
  int32_t y = 0;
  uint32_t width = 0;
  uint32_t height = 0;
  bool primary = false;
  uint16_t order = 0;
  double refresh_hz = 0;
  double scale = 1;
  uint32_t width_mm = 0;
  uint32_t height_mm = 0;
  std::string make{};
  std::string model{};
  std::vector<std::byte> edid{};

  friend bool operator==(const MonitorInfo&, const MonitorInfo&) = default;
};
struct WindowInfo {
  uint32_t id = 0;
  std::string title{};
  std::string class_name{};
  std::string instance{};
  uint32_t pid = 0;
  int32_t x = 0;
  int32_t y = 0;
  uint32_t width = 0;
  uint32_t height = 0;
  bool mapped = false;
  bool minimised = false;
  bool active = false;
  int32_t workspace = -1;

  friend bool operator==(const WindowInfo&, const WindowInfo&) = default;
};
struct DesktopReply {
  std::string display{};
  uint32_t width = 0;
  uint32_t height = 0;
  std::vector<MonitorInfo> monitors{};
  std::vector<WindowInfo> windows{};  // as many as fit a message
  uint32_t window_count = 0;
  std::string monitors_withheld{};  // why there are none
  std::string windows_withheld{};

  friend bool operator==(const DesktopReply&, const DesktopReply&) = default;
};
struct WatchRequest {};
struct WatchReply {};

using Body =
    std::variant<Hello, Welcome, ListRequest, ListReply, OpenRequest, OpenReply, CloseRequest, CloseReply,
                 Error, MetricsRequest, MetricsReply, PolicyRequest, PolicyReply, ReloadRequest, ReloadReply,
                 DisplayRequest, DisplayReply, DesktopRequest, DesktopReply, WatchRequest, WatchReply>;

struct Message {
  uint32_t request_id = 0;
  Body body;
};

// Fits a packet, and decode() takes it, if the fields are within their ranges: what is too long of a reason
// or an error is cut, what is not text in it is replaced, and lists leave out the clients and windows that
// find no room.
std::vector<std::byte> encode(const Message& message);

// kProtocol for bytes that are no message; kInvalidArgument for an unknown enum value or a field out of
// range; kVersion for a message of an unknown kind. Strings are bounded and valid UTF-8 without control
// characters.
Result<Message> decode(std::span<const std::byte> bytes);

}  // namespace framering::proto
