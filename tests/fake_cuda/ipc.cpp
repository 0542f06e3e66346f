#include "tests/fake_cuda/ipc.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "tests/fake_cuda/settings.h"

namespace fake_cuda {

namespace {

constexpr uint64_t kMagic = 0x66616b6563756461;
constexpr timeval kTimeout{5, 0};

uint64_t random_number() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

// An abstract address: it goes with the process.
socklen_t address_of(uint64_t process, sockaddr_un* address) {
  *address = {};
  address->sun_family = AF_UNIX;
  const int length = std::snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "fake-cuda-%016llx",
                                   static_cast<unsigned long long>(process));
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + static_cast<size_t>(length));
}

bool send_fd(int socket, int fd) {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

UniqueFd receive_fd(int socket) {
  char byte = 0;
  iovec data{&byte, 1};
  int fd = -1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) return UniqueFd();
  if (const cmsghdr* header = CMSG_FIRSTHDR(&message); header && header->cmsg_type == SCM_RIGHTS)
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return UniqueFd(fd);
}

class Exports {
 public:
  static Exports& get() {
    static Exports* instance = new Exports;
    return *instance;
  }

  uint64_t process() const { return process_; }

  void add(const std::shared_ptr<Allocation>& allocation) {
    std::lock_guard lock(mutex_);
    memory_.emplace(allocation->id(), allocation);
    if (listener_.get() < 0) listen_locked();
  }
  void remove(const Allocation& allocation) {
    std::lock_guard lock(mutex_);
    memory_.erase(allocation.id());
  }

 private:
  void listen_locked() {
    listener_ = UniqueFd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address;
    const socklen_t length = address_of(process_, &address);
    if (bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
        listen(listener_.get(), SOMAXCONN) != 0) {
      senseless("no socket for IPC");
    }
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread([this, listener = listener_.get()] { serve(listener); }).detach();
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void serve(int listener) {
    for (;;) {
      const UniqueFd peer(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
      if (peer.get() < 0) continue;
      setsockopt(peer.get(), SOL_SOCKET, SO_RCVTIMEO, &kTimeout, sizeof kTimeout);
      uint64_t memory = 0;
      if (recv(peer.get(), &memory, sizeof memory, 0) != sizeof memory) continue;
      std::lock_guard lock(mutex_);
      if (const auto found = memory_.find(memory); found != memory_.end())
        send_fd(peer.get(), found->second->fd());
    }
  }

  const uint64_t process_ = random_number();
  std::mutex mutex_;
  std::map<uint64_t, std::shared_ptr<Allocation>> memory_;
  UniqueFd listener_;
};

}  // namespace

IpcName ipc_export(const std::shared_ptr<Allocation>& allocation, size_t bytes) {
  Exports::get().add(allocation);
  return {kMagic, Exports::get().process(), allocation->id(), bytes};
}

void ipc_withdraw(const Allocation& allocation) {
  Exports::get().remove(allocation);
}

bool is_ipc_name(const IpcName& name) {
  return name.magic == kMagic;
}

bool is_of_this_process(const IpcName& name) {
  return name.process == Exports::get().process();
}

CUresult ipc_import(const IpcName& name, std::shared_ptr<Allocation>* made) {
  const UniqueFd peer(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address;
  const socklen_t length = address_of(name.process, &address);
  setsockopt(peer.get(), SOL_SOCKET, SO_RCVTIMEO, &kTimeout, sizeof kTimeout);
  if (connect(peer.get(), reinterpret_cast<sockaddr*>(&address), length) != 0)
    return CUDA_ERROR_INVALID_VALUE;
  if (send(peer.get(), &name.memory, sizeof name.memory, MSG_NOSIGNAL) != sizeof name.memory)
    return CUDA_ERROR_INVALID_VALUE;
  const UniqueFd fd = receive_fd(peer.get());
  return fd.get() >= 0 ? Allocation::import(fd.get(), made) : CUDA_ERROR_INVALID_VALUE;
}

}  // namespace fake_cuda
