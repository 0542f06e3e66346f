// How an OpenReply tells a client where device memory is.
#include <gtest/gtest.h>

#include "proto/message.h"

namespace framering::proto {
namespace {

OpenReply reply_in(MemoryKind kind) {
  OpenReply reply;
  reply.memory = kind;
  reply.max_leases = 2;
  reply.fd_roles = {FdRole::kControl, FdRole::kLease};
  return reply;
}

CudaUuid some_uuid() {
  CudaUuid uuid;
  for (size_t i = 0; i < uuid.size(); ++i) uuid[i] = static_cast<std::byte>(0x10 + i);
  return uuid;
}

Result<Message> sent(const OpenReply& reply) {
  return decode(encode({1, reply}));
}

TEST(OpenReply, CarriesTheDeviceAndTheHandleOfCudaMemory) {
  OpenReply reply = reply_in(MemoryKind::kCudaIpc);
  reply.device_uuid = some_uuid();
  reply.memory_handle.assign(kCudaIpcHandleBytes, std::byte{0xa5});
  const auto received = sent(reply);
  ASSERT_TRUE(received) << received.error().text();
  const auto& body = std::get<OpenReply>(received->body);
  EXPECT_EQ(body.device_uuid, reply.device_uuid);
  EXPECT_EQ(body.memory_handle, reply.memory_handle);
}

TEST(OpenReply, OfHostMemoryNamesNoDevice) {
  const auto received = sent(reply_in(MemoryKind::kHost));
  ASSERT_TRUE(received) << received.error().text();
  EXPECT_FALSE(std::get<OpenReply>(received->body).device_uuid);
  EXPECT_TRUE(std::get<OpenReply>(received->body).memory_handle.empty());
}

TEST(OpenReply, OfCudaMemoryWithoutADeviceIsRefused) {
  EXPECT_FALSE(sent(reply_in(MemoryKind::kCuda)));
}

TEST(OpenReply, OfHostMemoryWithADeviceIsRefused) {
  OpenReply reply = reply_in(MemoryKind::kHost);
  reply.device_uuid = some_uuid();
  EXPECT_FALSE(sent(reply));
}

TEST(OpenReply, WithAHandleOfAnotherLengthIsRefused) {
  for (const size_t bytes : {0, 1, 63, 65, 4096}) {
    OpenReply reply = reply_in(MemoryKind::kCudaIpc);
    reply.device_uuid = some_uuid();
    reply.memory_handle.assign(bytes, std::byte{1});
    EXPECT_FALSE(sent(reply)) << bytes;
  }
  OpenReply reply = reply_in(MemoryKind::kCuda);
  reply.device_uuid = some_uuid();
  reply.memory_handle.assign(kCudaIpcHandleBytes, std::byte{1});
  EXPECT_FALSE(sent(reply)) << "cuda memory has a descriptor, not a handle";
}

}  // namespace
}  // namespace framering::proto
