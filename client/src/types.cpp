#include "framering/types.h"

#include "proto/message.h"
#include "proto/pixel_format.h"

namespace framering {

namespace {

constexpr bool same(PixelFormat ours, proto::PixelFormat wire) {
  return static_cast<uint32_t>(ours) == static_cast<uint32_t>(wire);
}
static_assert(same(PixelFormat::bgrx8888, proto::PixelFormat::kBgrx8888));
static_assert(same(PixelFormat::rgbx8888, proto::PixelFormat::kRgbx8888));
static_assert(same(PixelFormat::xrgb2101010, proto::PixelFormat::kXrgb2101010));
static_assert(same(PixelFormat::rgb565, proto::PixelFormat::kRgb565));
static_assert(same(PixelFormat::bgra8888, proto::PixelFormat::kBgra8888));

constexpr bool same(Memory ours, proto::MemoryKind wire) {
  return static_cast<uint8_t>(ours) == static_cast<uint8_t>(wire);
}
static_assert(same(Memory::automatic, proto::MemoryKind::kAuto));
static_assert(same(Memory::host, proto::MemoryKind::kHost));
static_assert(same(Memory::cuda, proto::MemoryKind::kCuda));
static_assert(same(Memory::cuda_ipc, proto::MemoryKind::kCudaIpc));

constexpr bool same(CursorMode ours, proto::CursorMode wire) {
  return static_cast<uint8_t>(ours) == static_cast<uint8_t>(wire);
}
static_assert(same(CursorMode::hidden, proto::CursorMode::kHidden));
static_assert(same(CursorMode::metadata, proto::CursorMode::kMetadata));
static_assert(same(CursorMode::embedded, proto::CursorMode::kEmbedded));

}  // namespace

std::string_view name(CursorMode mode) noexcept {
  return mode == CursorMode::hidden ? "hidden" : mode == CursorMode::metadata ? "metadata" : "embedded";
}

std::string_view name(PixelFormat format) noexcept {
  return proto::format_name(static_cast<proto::PixelFormat>(format));
}

uint32_t bytes_per_pixel(PixelFormat format) noexcept {
  return proto::bytes_per_pixel(static_cast<proto::PixelFormat>(format));
}

std::string_view name(Memory memory) noexcept {
  return proto::memory_name(static_cast<proto::MemoryKind>(memory));
}

}  // namespace framering
