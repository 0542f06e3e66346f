#include "proto/message.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "proto/control_generated.h"
#include "proto/message_codec.h"
#include "proto/text.h"

namespace framering::proto {

namespace {

// Beside those of this file.
using proto::decode_body;

constexpr size_t kMaxErrorText = 1024;
constexpr flatbuffers::uoffset_t kMaxDepth = 8;
constexpr flatbuffers::uoffset_t kMaxTables = kMaxStreams + kMaxListedClients + 3;
// What one of a list takes at most: its fields, vtable and offsets, and its strings.
constexpr size_t kMaxStreamBytes = 160 + kMaxSourceName + kMaxText;
constexpr size_t kMaxClientBytes = 96 + kMaxClientName;
static_assert(kMaxStreams * kMaxStreamBytes < kMaxMessageBytes);

Error protocol_error(const char* what) {
  return Error{ErrorCode::kProtocol, std::string("malformed message: ") + what, {}};
}

Encoded encode_body(Builder& b, const Hello& m) {
  return {fb::Body::Hello, fb::CreateHello(b, m.protocol_version, b.CreateString(m.client_name)).Union()};
}
Encoded encode_body(Builder& b, const Welcome& m) {
  return {fb::Body::Welcome,
          fb::CreateWelcome(b, m.protocol_version, b.CreateString(m.daemon_version), m.daemon_pid).Union()};
}
Encoded encode_body(Builder& b, const ListRequest&) {
  return {fb::Body::ListRequest, fb::CreateListRequest(b).Union()};
}
Encoded encode_body(Builder& b, const ListReply& m) {
  std::vector<flatbuffers::Offset<fb::StreamInfo>> streams;
  size_t room = kMaxMessageBytes - std::min(m.streams.size() * kMaxStreamBytes, kMaxMessageBytes);
  for (const StreamInfo& stream : m.streams) {
    std::vector<flatbuffers::Offset<fb::ClientInfo>> clients;
    clients.reserve(stream.clients.size());
    for (const ClientInfo& client : stream.clients) {
      if (room < kMaxClientBytes) break;
      room -= kMaxClientBytes;
      clients.push_back(fb::CreateClientInfo(b, client.pid, client.uid, b.CreateString(client.name),
                                             client.leases_held, client.drops_caused, client.leases_broken,
                                             client.confirmations_asked));
    }
    streams.push_back(fb::CreateStreamInfo(
        b, b.CreateString(stream.source), stream.available, b.CreateString(as_text(stream.reason, kMaxText)),
        stream.epoch, stream.width, stream.height, static_cast<uint32_t>(stream.format),
        static_cast<uint8_t>(stream.memory), stream.slot_count, stream.max_fps, stream.captures,
        stream.published, stream.dropped, stream.client_count, b.CreateVector(clients)));
  }
  return {fb::Body::ListReply, fb::CreateListReply(b, b.CreateVector(streams)).Union()};
}
Encoded encode_body(Builder& b, const OpenRequest& m) {
  return {fb::Body::OpenRequest,
          fb::CreateOpenRequest(b, b.CreateString(m.source), static_cast<uint8_t>(m.memory), m.max_leases,
                                m.max_fps, m.wake_pipe, static_cast<uint8_t>(m.cursor))
              .Union()};
}
Encoded encode_body(Builder& b, const OpenReply& m) {
  std::vector<uint8_t> roles;
  for (const FdRole role : m.fd_roles) roles.push_back(static_cast<uint8_t>(role));
  const auto fd_roles = b.CreateVector(roles);
  const Bytes device_uuid = m.device_uuid ? create_bytes(b, *m.device_uuid) : Bytes{};
  const Bytes memory_handle = m.memory_handle.empty() ? Bytes{} : create_bytes(b, m.memory_handle);
  return {fb::Body::OpenReply,
          fb::CreateOpenReply(b, m.stream_id, m.layout_version, m.epoch, static_cast<uint8_t>(m.memory),
                              m.lease_ms, m.control_bytes, m.region_bytes, m.max_leases, fd_roles,
                              device_uuid, memory_handle, m.keepalive_ms)
              .Union()};
}
Encoded encode_body(Builder& b, const CloseRequest& m) {
  return {fb::Body::CloseRequest, fb::CreateCloseRequest(b, m.stream_id).Union()};
}
Encoded encode_body(Builder& b, const CloseReply&) {
  return {fb::Body::CloseReply, fb::CreateCloseReply(b).Union()};
}
Encoded encode_body(Builder& b, const MetricsRequest&) {
  return {fb::Body::MetricsRequest, fb::CreateMetricsRequest(b).Union()};
}
Encoded encode_body(Builder& b, const MetricsReply& m) {
  return {fb::Body::MetricsReply, fb::CreateMetricsReply(b, m.bytes).Union()};
}
Encoded encode_body(Builder& b, const PolicyRequest& m) {
  return {fb::Body::PolicyRequest, fb::CreatePolicyRequest(b, m.uid, b.CreateString(m.source)).Union()};
}
Encoded encode_body(Builder& b, const PolicyReply& m) {
  std::vector<flatbuffers::Offset<fb::QuotaUse>> quota;
  for (const QuotaUse& use : m.quota) {
    quota.push_back(fb::CreateQuotaUse(b, b.CreateString(use.name), use.used, use.limit));
  }
  const auto reason = b.CreateString(as_text(m.reason, kMaxErrorText));
  return {fb::Body::PolicyReply, fb::CreatePolicyReply(b, m.allowed, reason, b.CreateVector(quota)).Union()};
}
Encoded encode_body(Builder& b, const ReloadRequest&) {
  return {fb::Body::ReloadRequest, fb::CreateReloadRequest(b).Union()};
}
Encoded encode_body(Builder& b, const ReloadReply&) {
  return {fb::Body::ReloadReply, fb::CreateReloadReply(b).Union()};
}
Encoded encode_body(Builder& b, const DisplayRequest& m) {
  const auto name = b.CreateString(m.name);
  const auto auth_name = b.CreateString(m.auth_name);
  return {fb::Body::DisplayRequest,
          fb::CreateDisplayRequest(b, name, auth_name, create_bytes(b, m.auth_data)).Union()};
}
Encoded encode_body(Builder& b, const DisplayReply&) {
  return {fb::Body::DisplayReply, fb::CreateDisplayReply(b).Union()};
}
Encoded encode_body(Builder& b, const DesktopRequest&) {
  return {fb::Body::DesktopRequest, fb::CreateDesktopRequest(b).Union()};
}
Encoded encode_body(Builder& b, const WatchRequest&) {
  return {fb::Body::WatchRequest, fb::CreateWatchRequest(b).Union()};
}
Encoded encode_body(Builder& b, const WatchReply&) {
  return {fb::Body::WatchReply, fb::CreateWatchReply(b).Union()};
}
Encoded encode_body(Builder& b, const Error& m) {
  return {fb::Body::Error,
          fb::CreateError(b, static_cast<uint16_t>(m.code), b.CreateString(as_text(m.message, kMaxErrorText)),
                          b.CreateString(as_text(m.hint, kMaxErrorText)))
              .Union()};
}

Result<Body> decode_body(const fb::Hello& m) {
  Hello hello;
  hello.protocol_version = m.protocol_version();
  if (!take(m.client_name(), hello.client_name, kMaxClientName))
    return bad_field("client name: at most 64 bytes of text");
  return Body(std::move(hello));
}
Result<Body> decode_body(const fb::Welcome& m) {
  Welcome welcome;
  welcome.protocol_version = m.protocol_version();
  welcome.daemon_pid = m.daemon_pid();
  if (!take(m.daemon_version(), welcome.daemon_version)) return bad_field("daemon version: not text");
  return Body(std::move(welcome));
}
Result<Body> decode_body(const fb::ListRequest&) {
  return Body(ListRequest{});
}
Result<Body> decode_body(const fb::ListReply& m) {
  ListReply reply;
  if (m.streams() && m.streams()->size() > kMaxStreams) return bad_field("too many streams in a list");
  for (flatbuffers::uoffset_t i = 0; m.streams() && i < m.streams()->size(); ++i) {
    const fb::StreamInfo& from = *m.streams()->Get(i);
    StreamInfo stream;
    stream.available = from.available();
    stream.epoch = from.epoch();
    stream.width = from.width();
    stream.height = from.height();
    stream.format = static_cast<PixelFormat>(from.format());
    stream.memory = static_cast<MemoryKind>(from.memory());
    stream.slot_count = from.slot_count();
    stream.max_fps = from.max_fps();
    stream.captures = from.captures();
    stream.published = from.published();
    stream.dropped = from.dropped();
    stream.client_count = from.client_count();
    if (!take(from.source(), stream.source, kMaxSourceName) || !take(from.reason(), stream.reason)) {
      return bad_field("stream: not text");
    }
    if (!is_known(stream.format) || !is_known(stream.memory))
      return bad_field("stream: unknown format or memory");
    for (flatbuffers::uoffset_t k = 0; from.clients() && k < from.clients()->size(); ++k) {
      const fb::ClientInfo& info = *from.clients()->Get(k);
      ClientInfo client{info.pid(),
                        info.uid(),
                        {},
                        info.leases_held(),
                        info.drops_caused(),
                        info.leases_broken(),
                        info.confirmations_asked()};
      if (!take(info.name(), client.name, kMaxClientName)) return bad_field("client name: not text");
      stream.clients.push_back(std::move(client));
    }
    reply.streams.push_back(std::move(stream));
  }
  return Body(std::move(reply));
}
Result<Body> decode_body(const fb::OpenRequest& m) {
  OpenRequest request;
  request.memory = static_cast<MemoryKind>(m.memory());
  request.max_leases = m.max_leases();
  request.max_fps = m.max_fps();
  request.wake_pipe = m.wake_pipe();
  request.cursor = static_cast<CursorMode>(m.cursor());
  if (!take(m.source(), request.source, kMaxSourceName))
    return bad_field("source: at most 256 bytes of text");
  if (!is_known(request.memory)) return bad_field("memory: unknown kind");
  if (!is_known(request.cursor)) return bad_field("cursor: unknown mode");
  if (request.max_leases < 1 || request.max_leases > kMaxLeases) return bad_field("max_leases: 1 to 16");
  if (!std::isfinite(request.max_fps) || request.max_fps < 0 || request.max_fps > kMaxFps) {
    return bad_field("max_fps: 0 to 1000");
  }
  return Body(std::move(request));
}
Result<Body> decode_body(const fb::OpenReply& m) {
  OpenReply reply;
  reply.stream_id = m.stream_id();
  reply.layout_version = m.layout_version();
  reply.epoch = m.epoch();
  reply.memory = static_cast<MemoryKind>(m.memory());
  reply.lease_ms = m.lease_ms();
  reply.control_bytes = m.control_bytes();
  reply.region_bytes = m.region_bytes();
  reply.max_leases = m.max_leases();
  reply.keepalive_ms = m.keepalive_ms();
  if (!is_known(reply.memory) || reply.memory == MemoryKind::kAuto) return bad_field("memory: unknown kind");
  if (reply.max_leases < 1 || reply.max_leases > kMaxLeases) return bad_field("max_leases: 1 to 16");
  if (m.fd_roles() && m.fd_roles()->size() > kMaxMessageFds) return bad_field("fd_roles: too many");
  for (flatbuffers::uoffset_t i = 0; m.fd_roles() && i < m.fd_roles()->size(); ++i) {
    const uint8_t role = m.fd_roles()->Get(i);
    if (role < static_cast<uint8_t>(FdRole::kControl) || role > static_cast<uint8_t>(FdRole::kBell)) {
      return bad_field("fd_roles: unknown role");
    }
    reply.fd_roles.push_back(static_cast<FdRole>(role));
  }
  const auto uuid = view(m.device_uuid());
  if (uuid.size() != (is_cuda(reply.memory) ? sizeof(CudaUuid) : 0)) {
    return bad_field("device_uuid: 16 bytes for CUDA memory, none for any other");
  }
  if (!uuid.empty()) std::ranges::copy(uuid, reply.device_uuid.emplace().begin());
  const auto handle = view(m.memory_handle());
  if (handle.size() != (reply.memory == MemoryKind::kCudaIpc ? kCudaIpcHandleBytes : 0)) {
    return bad_field("memory_handle: 64 bytes for cuda-ipc memory, none for any other");
  }
  reply.memory_handle.assign(handle.begin(), handle.end());
  return Body(std::move(reply));
}
Result<Body> decode_body(const fb::CloseRequest& m) {
  return Body(CloseRequest{m.stream_id()});
}
Result<Body> decode_body(const fb::CloseReply&) {
  return Body(CloseReply{});
}
Result<Body> decode_body(const fb::MetricsRequest&) {
  return Body(MetricsRequest{});
}
Result<Body> decode_body(const fb::MetricsReply& m) {
  if (m.bytes() > kMaxMetricsBytes) return bad_field("metrics: more than 16 MiB");
  return Body(MetricsReply{m.bytes()});
}
Result<Body> decode_body(const fb::PolicyRequest& m) {
  PolicyRequest request{m.uid(), {}};
  if (!take(m.source(), request.source, kMaxSourceName))
    return bad_field("source: at most 256 bytes of text");
  return Body(std::move(request));
}
Result<Body> decode_body(const fb::PolicyReply& m) {
  PolicyReply reply{m.allowed(), {}, {}};
  if (!take(m.reason(), reply.reason, kMaxErrorText)) return bad_field("reason: not text");
  if (m.quota() && m.quota()->size() > kMaxQuotas) return bad_field("quota: too many");
  for (flatbuffers::uoffset_t i = 0; m.quota() && i < m.quota()->size(); ++i) {
    const fb::QuotaUse& from = *m.quota()->Get(i);
    QuotaUse use{{}, from.used(), from.limit()};
    if (!take(from.name(), use.name)) return bad_field("quota: not text");
    reply.quota.push_back(std::move(use));
  }
  return Body(std::move(reply));
}
Result<Body> decode_body(const fb::ReloadRequest&) {
  return Body(ReloadRequest{});
}
Result<Body> decode_body(const fb::ReloadReply&) {
  return Body(ReloadReply{});
}
Result<Body> decode_body(const fb::DisplayRequest& m) {
  DisplayRequest request;
  if (!take(m.name(), request.name, kMaxSourceName))
    return bad_field("display name: at most 256 bytes of text");
  if (!take(m.auth_name(), request.auth_name, kMaxClientName)) {
    return bad_field("authorization name: at most 64 bytes of text");
  }
  const auto data = view(m.auth_data());
  if (data.size() > kMaxAuthBytes) return bad_field("authorization data: at most 1024 bytes");
  request.auth_data.assign(data.begin(), data.end());
  return Body(std::move(request));
}
Result<Body> decode_body(const fb::DisplayReply&) {
  return Body(DisplayReply{});
}
Result<Body> decode_body(const fb::DesktopRequest&) {
  return Body(DesktopRequest{});
}
Result<Body> decode_body(const fb::WatchRequest&) {
  return Body(WatchRequest{});
}
Result<Body> decode_body(const fb::WatchReply&) {
  return Body(WatchReply{});
}
Result<Body> decode_body(const fb::Error& m) {
  Error error;
  error.code = static_cast<ErrorCode>(m.code());
  if (!take(m.message(), error.message, kMaxErrorText) || !take(m.hint(), error.hint, kMaxErrorText)) {
    return bad_field("error: not text");
  }
  return Body(std::move(error));
}

Result<Body> decode_union(const fb::Message& message) {
  switch (message.body_type()) {
    case fb::Body::Hello:
      return decode_body(*message.body_as_Hello());
    case fb::Body::Welcome:
      return decode_body(*message.body_as_Welcome());
    case fb::Body::ListRequest:
      return decode_body(*message.body_as_ListRequest());
    case fb::Body::ListReply:
      return decode_body(*message.body_as_ListReply());
    case fb::Body::OpenRequest:
      return decode_body(*message.body_as_OpenRequest());
    case fb::Body::OpenReply:
      return decode_body(*message.body_as_OpenReply());
    case fb::Body::CloseRequest:
      return decode_body(*message.body_as_CloseRequest());
    case fb::Body::CloseReply:
      return decode_body(*message.body_as_CloseReply());
    case fb::Body::Error:
      return decode_body(*message.body_as_Error());
    case fb::Body::MetricsRequest:
      return decode_body(*message.body_as_MetricsRequest());
    case fb::Body::MetricsReply:
      return decode_body(*message.body_as_MetricsReply());
    case fb::Body::PolicyRequest:
      return decode_body(*message.body_as_PolicyRequest());
    case fb::Body::PolicyReply:
      return decode_body(*message.body_as_PolicyReply());
    case fb::Body::ReloadRequest:
      return decode_body(*message.body_as_ReloadRequest());
    case fb::Body::ReloadReply:
      return decode_body(*message.body_as_ReloadReply());
    case fb::Body::DisplayRequest:
      return decode_body(*message.body_as_DisplayRequest());
    case fb::Body::DisplayReply:
      return decode_body(*message.body_as_DisplayReply());
    case fb::Body::DesktopRequest:
      return decode_body(*message.body_as_DesktopRequest());
    case fb::Body::DesktopReply:
      return decode_body(*message.body_as_DesktopReply());
    case fb::Body::WatchRequest:
      return decode_body(*message.body_as_WatchRequest());
    case fb::Body::WatchReply:
      return decode_body(*message.body_as_WatchReply());
    case fb::Body::NONE:
      break;
  }
  return Error{ErrorCode::kVersion, "message of a kind that this version does not know", {}};
}

}  // namespace

std::string_view memory_name(MemoryKind kind) {
  switch (kind) {
    case MemoryKind::kAuto:
      return "auto";
    case MemoryKind::kHost:
      return "host";
    case MemoryKind::kCuda:
      return "cuda";
    case MemoryKind::kCudaIpc:
      return "cuda-ipc";
  }
  return "unknown";
}

std::vector<std::byte> encode(const Message& message) {
  Builder builder;
  const Encoded body =
      std::visit([&](const auto& alternative) { return encode_body(builder, alternative); }, message.body);
  fb::FinishMessageBuffer(builder, fb::CreateMessage(builder, message.request_id, body.type, body.table));
  const auto* begin = reinterpret_cast<const std::byte*>(builder.GetBufferPointer());
  return {begin, begin + builder.GetSize()};
}

Result<Message> decode(std::span<const std::byte> bytes) {
  if (bytes.size() > kMaxMessageBytes) return protocol_error("longer than 65536 bytes");
  // The verifier and the accessors want the alignment that a buffer of its own has.
  const std::vector<std::byte> copy(bytes.begin(), bytes.end());
  const auto* data = reinterpret_cast<const uint8_t*>(copy.data());
  flatbuffers::Verifier verifier(data, copy.size(), kMaxDepth, kMaxTables);
  if (copy.size() < 8 || !fb::MessageBufferHasIdentifier(data))
    return protocol_error("no message of this protocol");
  if (!fb::VerifyMessageBuffer(verifier)) return protocol_error("its inner offsets are wrong");
  const fb::Message& message = *fb::GetMessage(data);
  // The verifier lets a body of a known kind be absent.
  if (message.body_type() != fb::Body::NONE && !message.body()) return protocol_error("no body");
  auto body = decode_union(message);
  if (!body) return body.error();
  return Message{message.request_id(), *std::move(body)};
}

}  // namespace framering::proto
