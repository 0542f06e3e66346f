#include "framering/frame.h"

#include <algorithm>

#include "client/src/errors.h"
#include "client/src/frame_state.h"
#include "framering/error.h"
#include "proto/damage_history.h"
#include "proto/lease.h"

namespace framering {

namespace internal {

namespace {

bool contains(const Rect& outer, const proto::DamageRect& inner) {
  return inner.x >= outer.x && inner.y >= outer.y && inner.x + inner.width <= outer.x + outer.width &&
         inner.y + inner.height <= outer.y + outer.height;
}

// Each once; more than kMaxDamageRects become their bounding box.
std::vector<Rect> bounded(const std::vector<proto::DamageRect>& rects) {
  std::vector<Rect> kept;
  for (const proto::DamageRect& rect : rects) {
    const bool is_new =
        std::none_of(kept.begin(), kept.end(), [&](const Rect& k) { return contains(k, rect); });
    if (!is_new) continue;
    kept.push_back({rect.x, rect.y, rect.width, rect.height});
    if (kept.size() <= proto::kMaxDamageRects) continue;
    Rect all = kept.front();
    for (const Rect& each : kept) {
      const int right = std::max(all.x + all.width, each.x + each.width);
      const int bottom = std::max(all.y + all.height, each.y + each.height);
      all.x = std::min(all.x, each.x);
      all.y = std::min(all.y, each.y);
      all.width = static_cast<uint16_t>(right - all.x);
      all.height = static_cast<uint16_t>(bottom - all.y);
    }
    kept = {all};
  }
  return kept;
}

}  // namespace

FrameState::~FrameState() {
  // In a forked child the lease is the parent's.
  if (!lease_index || !mapping->connection().in_own_process()) return;
  // Without the device the marks are beyond waiting for, and nothing reads the pixels any more.
  if (!marks.empty() && mapping->return_lease_index_after(std::nullopt, marks, *lease_index)) return;
  proto::release(mapping->lease_page().leases[*lease_index]);
  mapping->return_lease_index(*lease_index);
}

bool FrameState::valid() const {
  return proto::still_valid(mapping->slot(ref.slot), ref.sequence);
}

proto::Status FrameState::check_owner() const {
  if (mapping->connection().in_own_process()) return proto::Ok{};
  return proto::Error{proto::ErrorCode::kForked, "this frame is held by another process",
                      "connect again after fork()"};
}

proto::Status FrameState::release_after(void* stream) {
  if (auto owner = check_owner(); !owner) return owner;
  if (!lease_index) return proto::Ok{};
  if (auto begun = mapping->return_lease_index_after(stream, marks, *lease_index); !begun) {
    return begun;
  }
  lease_index.reset();
  return proto::Ok{};
}

proto::Status FrameState::hold_until(void* stream) {
  if (auto owner = check_owner(); !owner) return owner;
  auto mark = mapping->pixels().mark(stream);
  if (!mark) return mark.error();
  marks.push_back(*std::move(mark));
  return proto::Ok{};
}

std::vector<Rect> FrameState::damage_since(uint64_t sequence) const {
  const auto [before, last] = std::minmax(sequence, ref.sequence);
  const EpochInfo& info = mapping->info();
  std::vector<proto::DamageRect> rects;
  bool known = before > 0 && last - before <= proto::kDamageHistory;
  for (uint64_t each = before + 1; known && each <= last; ++each) {
    known = proto::read_damage(mapping->control(), each, rects);
  }
  if (!known) {
    return {{0, 0, static_cast<uint16_t>(info.width), static_cast<uint16_t>(info.height)}};
  }
  return bounded(rects);
}

}  // namespace internal

Frame::Frame() noexcept = default;
Frame::Frame(std::unique_ptr<internal::FrameState> state) noexcept : state_(std::move(state)) {}
Frame::Frame(Frame&&) noexcept = default;
Frame& Frame::operator=(Frame&&) noexcept = default;
Frame::~Frame() = default;

const std::byte* Frame::data() const noexcept {
  const std::byte* region = state_ ? state_->mapping->pixels().data() : nullptr;
  return region ? region + state_->offset() : nullptr;
}
uint64_t Frame::device_pointer() const noexcept {
  const uint64_t region = state_ ? state_->mapping->pixels().device_pointer() : 0;
  return region ? region + state_->offset() : 0;
}
int Frame::device() const noexcept {
  return state_ ? state_->mapping->pixels().device() : -1;
}
void Frame::hold_until(void* cuda_stream) {
  if (!state_) throw Error(ErrorCode::invalid_argument, "this frame was released");
  internal::value_or_raise(state_->hold_until(cuda_stream));
}
std::shared_ptr<std::byte> Frame::copy_on_device(void* cuda_stream) const {
  if (!state_) throw Error(ErrorCode::invalid_argument, "this frame was released");
  return internal::value_or_raise(
      state_->mapping->pixels().copy_on_device(state_->offset(), size_bytes(), cuda_stream));
}
void Frame::copy_to_host(std::byte* pixels) const {
  if (!state_) throw Error(ErrorCode::invalid_argument, "this frame was released");
  internal::value_or_raise(state_->mapping->pixels().copy_to_host(state_->offset(), size_bytes(), pixels));
}
size_t Frame::size_bytes() const noexcept {
  return size_t{stride()} * height();
}
int32_t Frame::x() const noexcept {
  return state_ ? state_->position.x : 0;
}
int32_t Frame::y() const noexcept {
  return state_ ? state_->position.y : 0;
}
uint32_t Frame::width() const noexcept {
  return state_ ? state_->mapping->info().width : 0;
}
uint32_t Frame::height() const noexcept {
  return state_ ? state_->mapping->info().height : 0;
}
uint32_t Frame::stride() const noexcept {
  return state_ ? state_->mapping->info().stride : 0;
}
PixelFormat Frame::format() const noexcept {
  return state_ ? static_cast<PixelFormat>(state_->mapping->info().format) : PixelFormat::bgrx8888;
}
Memory Frame::memory() const noexcept {
  return state_ ? static_cast<Memory>(state_->mapping->info().memory) : Memory::automatic;
}

uint64_t Frame::sequence() const noexcept {
  return state_ ? state_->ref.sequence : 0;
}
uint64_t Frame::epoch() const noexcept {
  return state_ ? state_->mapping->info().epoch : 0;
}
uint64_t Frame::capture_ns() const noexcept {
  return state_ ? state_->capture_ns : 0;
}
uint64_t Frame::capture_done_ns() const noexcept {
  return state_ ? state_->capture_done_ns : 0;
}
uint64_t Frame::published_ns() const noexcept {
  return state_ ? state_->published_ns : 0;
}

uint64_t Frame::confirmed_ns() const noexcept {
  return state_ ? state_->confirmed_ns : 0;
}

const std::vector<Rect>& Frame::damage() const noexcept {
  static const std::vector<Rect> none;
  return state_ ? state_->damage : none;
}

std::vector<Rect> Frame::damage_since(uint64_t sequence) const {
  if (!state_) throw Error(ErrorCode::invalid_argument, "this frame was released");
  return state_->damage_since(sequence);
}

const std::optional<Cursor>& Frame::cursor() const noexcept {
  static const std::optional<Cursor> none;
  return state_ ? state_->cursor : none;
}

bool Frame::valid() const noexcept {
  return state_ && state_->valid();
}

bool Frame::release() noexcept {
  const bool was_valid = valid();
  state_.reset();
  return was_valid;
}

bool Frame::release_after(void* cuda_stream) {
  const bool was_valid = valid();
  if (!state_) return false;
  internal::value_or_raise(state_->release_after(cuda_stream));
  state_.reset();
  return was_valid;
}

}  // namespace framering
