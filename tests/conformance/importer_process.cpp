#include "tests/conformance/importer_process.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

#include "client/src/importer.h"
#include "proto/channel.h"
#include "proto/shm_layout.h"

namespace framering::testing {

// Of bytes alone: it travels as it is.
struct ImporterProcess::Order {
  bool to_map = false;  // else to compare
  proto::MemoryKind kind = proto::MemoryKind::kHost;
  uint64_t region_bytes = 0;
  bool has_device = false;
  proto::CudaUuid device_uuid{};
  uint64_t handle_bytes = 0;
  std::array<std::byte, proto::kCudaIpcHandleBytes> handle{};
  uint64_t offset = 0;
  uint64_t bytes = 0;
  std::byte value{};
};

namespace {

constexpr int kTimeoutMs = 60'000;

std::array<proto::UniqueFd, 2> connected() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    throw std::runtime_error("no socketpair");
  }
  return {proto::UniqueFd(ends[0]), proto::UniqueFd(ends[1])};
}

template <class Value>
void send(int socket, const Value& value, std::span<const int> fds = {}) {
  const auto sent = proto::send_packet(socket, std::as_bytes(std::span(&value, 1)), fds);
  if (!sent) throw std::runtime_error(sent.error().text());
}

// None once the other end is gone.
template <class Value>
std::optional<Value> receive(int socket, proto::UniqueFd* fd = nullptr) {
  pollfd ready{socket, POLLIN, 0};
  if (poll(&ready, 1, kTimeoutMs) != 1) throw std::runtime_error("the other process says nothing");
  auto received = proto::receive_packet(socket);
  Value value;
  if (!received || received->packet.bytes.size() != sizeof value) return std::nullopt;
  std::memcpy(&value, received->packet.bytes.data(), sizeof value);
  if (fd && !received->packet.fds.empty()) *fd = std::move(received->packet.fds[0]);
  return value;
}

proto::LeasePage& some_lease_page() {
  void* page = mmap(nullptr, proto::kLeaseBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) throw std::runtime_error("no memory for a lease page");
  return *static_cast<proto::LeasePage*>(page);
}

bool same_everywhere(const internal::PixelRegion& region, uint64_t offset, uint64_t bytes, std::byte value) {
  std::vector<std::byte> copy(bytes);
  const auto copied = region.copy_to_host(offset, bytes, copy.data());
  if (!copied) throw std::runtime_error(copied.error().text());
  return std::ranges::all_of(copy, [value](std::byte byte) { return byte == value; });
}

}  // namespace

ImporterProcess::ImporterProcess(uid_t uid)
    : ends_(connected()), child_([this, uid] {
        ends_[0].reset();
        return obey(ends_[1].get(), uid);
      }) {
  ends_[1].reset();
  // It has begun: what this process loads from now on is not in it.
  if (!receive<bool>(ends_[0].get())) throw std::runtime_error("the importer did not start");
}

int ImporterProcess::obey(int socket, uid_t uid) {
  if (uid != 0 && getuid() == 0 && setresuid(uid, uid, uid) != 0) return 2;
  send(socket, true);
  std::unique_ptr<internal::PixelRegion> region;
  for (;;) {
    internal::PixelHandle pixels;
    const auto order = receive<Order>(socket, &pixels.fd);
    if (!order) return 0;
    if (!order->to_map) {
      send(socket, same_everywhere(*region, order->offset, order->bytes, order->value));
      continue;
    }
    pixels.kind = order->kind;
    pixels.region_bytes = order->region_bytes;
    pixels.handle.assign(order->handle.begin(),
                         order->handle.begin() + static_cast<ptrdiff_t>(order->handle_bytes));
    if (order->has_device) pixels.device_uuid = order->device_uuid;
    region.reset();
    auto mapped = internal::import_pixels(pixels, some_lease_page(), {});
    if (mapped) {
      region = *std::move(mapped);
    } else {
      std::fprintf(stderr, "importer: %s\n", mapped.error().text().c_str());
    }
    send(socket, region != nullptr);
  }
}

bool ImporterProcess::ask(const Order& order, int fd) {
  send(ends_[0].get(), order, fd < 0 ? std::span<const int>() : std::span(&fd, 1));
  const auto answer = receive<bool>(ends_[0].get());
  if (!answer) throw std::runtime_error("the importer is gone");
  return *answer;
}

bool ImporterProcess::map(proto::MemoryKind kind, const daemon::PoolHandle& handle, uint64_t region_bytes) {
  Order order;
  order.to_map = true;
  order.kind = kind;
  order.region_bytes = region_bytes;
  order.has_device = handle.device_uuid.has_value();
  if (handle.device_uuid) order.device_uuid = *handle.device_uuid;
  order.handle_bytes = handle.handle.size();
  std::ranges::copy(handle.handle, order.handle.begin());
  return ask(order, handle.fd.get());
}

bool ImporterProcess::shows(uint64_t offset, uint64_t bytes, int value) {
  Order order;
  order.offset = offset;
  order.bytes = bytes;
  order.value = static_cast<std::byte>(value);
  return ask(order);
}

}  // namespace framering::testing
