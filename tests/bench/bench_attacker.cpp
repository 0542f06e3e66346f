// A client that is as much of a burden as it can be without just burning the processor, as another user where
// it is started by root.
//
//   bench_attacker KIND SOCKET SOURCE SECONDS
//
// KIND: pins      every frame that it can, and has a thousand sleepers on its wake word
//       connects  and hangs up, again and again
//       requests  lists and opens and closes, each as soon as the last is answered
//       mute      asks and never reads what it is told, until it is dropped, again and again
//       rings     wants a new frame, or proof that there is none, ten thousand times a second
//       crowds    has as many clients as it is let, each a stream and a wake pipe: what the daemon has of
//                 descriptors; then none, again and again
#include <grp.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "proto/lease.h"
#include "tests/bench/samples.h"
#include "tests/support/raw_client.h"

namespace {

using framering::proto::FdRole;
using framering::proto::FrameRef;
using framering::testing::RawClient;
namespace proto = framering::proto;

constexpr uid_t kForeigner = 65534;
// As many as a client may have of the default ring, by each of two attachments.
constexpr uint16_t kLeases = 3;

struct Target {
  std::string socket, source;
  std::chrono::steady_clock::time_point end;

  bool goes_on() const { return std::chrono::steady_clock::now() < end; }
};

struct Attachment {
  RawClient client;
  proto::LeasePage* page;
  const proto::ControlPage* control;
  int bell;

  explicit Attachment(const Target& target) : client(target.socket) {
    const auto reply = client.open(target.source, kLeases);
    const auto map = [&](FdRole role, size_t bytes, int protection) {
      return mmap(nullptr, bytes, protection, MAP_SHARED, client.fd(reply, role), 0);
    };
    page = static_cast<proto::LeasePage*>(map(FdRole::kLease, proto::kLeaseBytes, PROT_READ | PROT_WRITE));
    control = static_cast<const proto::ControlPage*>(map(FdRole::kControl, reply.control_bytes, PROT_READ));
    bell = client.fd(reply, FdRole::kBell);
  }
};

void pins(const Target& target) {
  Attachment attachments[] = {Attachment(target), Attachment(target)};
  proto::LeasePage* page = attachments[0].page;
  for (int i = 0; i < 1000; ++i) {
    std::thread([page] {
      for (;;) {
        page->waiting.store(1);
        syscall(SYS_futex, &page->wake_word, FUTEX_WAIT, page->wake_word.load(), nullptr, nullptr, 0);
      }
    }).detach();
  }
  const proto::ControlPage* control = attachments[0].control;
  while (target.goes_on()) {
    for (uint32_t slot = 0; slot < control->slot_count; ++slot) {
      attachments[slot / kLeases % 2].page->leases[slot % kLeases].store(
          FrameRef{proto::slot_headers(control)[slot].sequence.load(), slot}.pack());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void connects(const Target& target) {
  while (target.goes_on()) [[maybe_unused]] const auto socket = proto::connect_socket(target.socket);
}

void requests(const Target& target) {
  RawClient client(target.socket);
  client.ask<proto::Welcome>(proto::Hello{proto::kProtocolVersion, "requests"});
  while (target.goes_on()) {
    client.ask<proto::ListReply>(proto::ListRequest{});
    const auto opened = client.ask<proto::OpenReply>(
        proto::OpenRequest{target.source, proto::MemoryKind::kAuto, kLeases, 0, false});
    client.ask<proto::CloseReply>(proto::CloseRequest{opened.stream_id});
  }
}

void mute(const Target& target) {
  while (target.goes_on()) {
    try {
      RawClient client(target.socket);
      client.ask<proto::Welcome>(proto::Hello{proto::kProtocolVersion, "mute"});
      while (target.goes_on()) client.send(proto::ListRequest{});
    } catch (const std::exception&) {
      continue;  // dropped, or too often: again
    }
  }
}

void rings(const Target& target) {
  const Attachment attachment(target);
  while (target.goes_on()) {
    attachment.page->asked_ns.store(framering::bench::now_ns());
    const uint64_t one = 1;
    if (write(attachment.bell, &one, sizeof one) != sizeof one) return;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

void crowds(const Target& target) {
  while (target.goes_on()) {
    std::deque<RawClient> clients;
    try {
      while (target.goes_on()) clients.emplace_back(target.socket).open(target.source, 1, /*wake_pipe=*/true);
    } catch (const std::exception&) {
      continue;  // at a limit: anew
    }
  }
}

const std::map<std::string, void (*)(const Target&)> kKinds = {{"pins", pins},         {"connects", connects},
                                                               {"requests", requests}, {"mute", mute},
                                                               {"rings", rings},       {"crowds", crowds}};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5 || !kKinds.contains(argv[1])) {
    std::fprintf(stderr,
                 "usage: bench_attacker pins|connects|requests|mute|rings|crowds SOCKET SOURCE SECONDS\n");
    return 2;
  }
  if (geteuid() == 0 && (setgroups(0, nullptr) != 0 || setgid(kForeigner) != 0 || setuid(kForeigner) != 0)) {
    std::perror("bench_attacker: cannot become another user");
    return 1;
  }
  const std::chrono::duration<double> length(std::atof(argv[4]));
  const auto end = std::chrono::steady_clock::now() +
                   std::chrono::duration_cast<std::chrono::steady_clock::duration>(length);
  try {
    kKinds.at(argv[1])({argv[2], argv[3], end});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_attacker: %s\n", error.what());
    std::_Exit(1);
  }
  std::_Exit(0);  // with the threads of `pins`
}
