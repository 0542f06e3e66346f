// A client that is as much of a burden as it can be without just burning the processor: it pins every
// frame that it can and has a thousand sleepers on its wake word.
//
//   bench_attacker SOCKET SOURCE SECONDS
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <thread>
#include <vector>

#include "proto/lease.h"
#include "tests/support/raw_client.h"

namespace {

using framering::proto::FdRole;
using framering::proto::FrameRef;

// As many as a client may have of the default ring, by each of two attachments.
constexpr uint16_t kLeases = 3;

struct Attachment {
  framering::testing::RawClient client;
  framering::proto::LeasePage* page;
  const framering::proto::ControlPage* control;

  Attachment(const char* socket, const char* source) : client(socket) {
    const auto reply = client.open(source, kLeases);
    const auto map = [&](FdRole role, size_t bytes, int protection) {
      return mmap(nullptr, bytes, protection, MAP_SHARED, client.fd(reply, role), 0);
    };
    page = static_cast<framering::proto::LeasePage*>(
        map(FdRole::kLease, framering::proto::kLeaseBytes, PROT_READ | PROT_WRITE));
    control = static_cast<const framering::proto::ControlPage*>(
        map(FdRole::kControl, reply.control_bytes, PROT_READ));
  }
};

void attack(const char* socket, const char* source, double seconds) {
  Attachment attachments[] = {{socket, source}, {socket, source}};
  framering::proto::LeasePage* page = attachments[0].page;
  for (int i = 0; i < 1000; ++i) {
    std::thread([page] {
      for (;;) {
        page->waiting.store(1);
        syscall(SYS_futex, &page->wake_word, FUTEX_WAIT, page->wake_word.load(), nullptr, nullptr, 0);
      }
    }).detach();
  }
  const framering::proto::ControlPage* control = attachments[0].control;
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < end) {
    for (uint32_t slot = 0; slot < control->slot_count; ++slot) {
      attachments[slot / kLeases % 2].page->leases[slot % kLeases].store(
          FrameRef{framering::proto::slot_headers(control)[slot].sequence.load(), slot}.pack());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  std::_Exit(0);  // with its thousand threads
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: bench_attacker SOCKET SOURCE SECONDS\n");
    return 2;
  }
  try {
    attack(argv[1], argv[2], std::atof(argv[3]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_attacker: %s\n", error.what());
  }
  return 1;
}
