#include "tests/support/fake_logind.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <future>
#include <iterator>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace framering::testing {

namespace {

constexpr const char* kName = "org.freedesktop.login1";
constexpr const char* kManagerPath = "/org/freedesktop/login1";
constexpr const char* kManager = "org.freedesktop.login1.Manager";
constexpr const char* kSessionInterface = "org.freedesktop.login1.Session";
constexpr const char* kSessions = "/org/freedesktop/login1/session";
using State = FakeLogind::State;

void check(int result, const char* what) {
  if (result < 0) throw std::runtime_error(std::string(what) + ": " + std::to_string(result));
}

std::string path_of(const std::string& id) {
  return std::string(kSessions) + "/" + id;
}

// With no answer, or not with the one that is asked for.
bool fails(sd_bus_message* call, State& state) {
  const char* error = state.error;
  if (state.restless) {
    sd_bus_emit_signal(sd_bus_message_get_bus(call), kManagerPath, kManager, "SessionNew", "so", "c0",
                       path_of("c0").c_str());
  }
  if (!state.silent && error == nullptr) return false;
  ++state.unanswered;
  if (error != nullptr) sd_bus_reply_method_errorf(call, error, "not now");
  return true;
}

int list_sessions(sd_bus_message* call, void* data, sd_bus_error*) {
  auto& state = *static_cast<State*>(data);
  if (fails(call, state)) return 1;
  sd_bus_message* reply = nullptr;
  sd_bus_message_new_method_return(call, &reply);
  sd_bus_message_open_container(reply, 'a', "(susso)");
  for (const auto& [id, session] : state.sessions) {
    sd_bus_message_append(reply, "(susso)", id.c_str(), session.uid, "somebody", "seat0",
                          path_of(id).c_str());
  }
  sd_bus_message_close_container(reply);
  const int sent = sd_bus_send(nullptr, reply, nullptr);
  sd_bus_message_unref(reply);
  return sent;
}

int session_by_pid(sd_bus_message* call, void* data, sd_bus_error* error) {
  auto& state = *static_cast<State*>(data);
  if (fails(call, state)) return 1;
  uint32_t pid = 0;
  sd_bus_message_read(call, "u", &pid);
  for (const auto& [id, session] : state.sessions) {
    if (session.pid == pid) return sd_bus_reply_method_return(call, "o", path_of(id).c_str());
  }
  return sd_bus_error_set(error, "org.freedesktop.login1.NoSessionForPID", "in no session");
}

int no_user(sd_bus_message*, void*, sd_bus_error* error) {
  return sd_bus_error_set(error, "org.freedesktop.login1.NoUserForPID", "of no user");
}

// Properties of the session that `data` is.
int property(sd_bus*, const char*, const char*, const char* name, sd_bus_message* reply, void* data,
             sd_bus_error*) {
  const auto& session = *static_cast<FakeLogind::Session*>(data);
  const std::string_view key = name;
  if (key == "Active") return sd_bus_message_append(reply, "b", session.active);
  if (key == "LockedHint") return sd_bus_message_append(reply, "b", session.locked);
  if (key == "User")
    return sd_bus_message_append(reply, "(uo)", session.uid, "/org/freedesktop/login1/user/self");
  if (key == "State") return sd_bus_message_append(reply, "s", session.active ? "active" : "online");
  return sd_bus_message_append(reply, "s", session.display.c_str());
}

int find_session(sd_bus*, const char* path, const char*, void* data, void** found, sd_bus_error*) {
  auto& sessions = static_cast<State*>(data)->sessions;
  const auto session = sessions.find(std::string(path).substr(std::string_view(kSessions).size() + 1));
  if (session == sessions.end()) return 0;
  *found = &session->second;
  return 1;
}

const sd_bus_vtable kManagerTable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("ListSessions", "", "a(susso)", list_sessions, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("GetSessionByPID", "u", "o", session_by_pid, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("GetUserByPID", "u", "o", no_user, SD_BUS_VTABLE_UNPRIVILEGED), SD_BUS_VTABLE_END};

const sd_bus_vtable kSessionTable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Active", "b", property, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("LockedHint", "b", property, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("User", "(uo)", property, 0, 0),
    SD_BUS_PROPERTY("State", "s", property, 0, 0),
    SD_BUS_PROPERTY("Display", "s", property, 0, 0),
    SD_BUS_VTABLE_END};

// To its end; once it answers, its address is there.
int be_bus(const std::string& configuration) {
  execlp("dbus-daemon", "dbus-daemon", ("--config-file=" + configuration).c_str(), "--nofork", "--nopidfile",
         "--nosyslog", nullptr);
  return 127;
}

}  // namespace

FakeLogind::FakeLogind() : wake_(eventfd(0, EFD_CLOEXEC)) {
  char folder[] = "/tmp/framering-bus-XXXXXX";
  if (!mkdtemp(folder)) throw std::runtime_error("no folder");
  folder_ = folder;
  std::filesystem::permissions(folder_, std::filesystem::perms(0755));
  const std::string address = "unix:path=" + (folder_ / "bus").string();
  std::ofstream(folder_ / "bus.conf") << "<busconfig><type>system</type><listen>" << address
                                      << "</listen><policy context=\"default\"><allow user=\"*\"/>"
                                         "<allow send_destination=\"*\"/><allow receive_sender=\"*\"/>"
                                         "<allow own=\"*\"/></policy></busconfig>";
  bus_process_ = std::make_unique<Child>([this] { return be_bus(folder_ / "bus.conf"); });
  setenv("DBUS_SYSTEM_BUS_ADDRESS", address.c_str(), 1);
  using namespace std::chrono_literals;
  for (const auto end = std::chrono::steady_clock::now() + 20s;;) {
    const char* name = nullptr;
    if (sd_bus_open_system(&bus_) >= 0 && sd_bus_get_unique_name(bus_, &name) >= 0) break;
    bus_ = sd_bus_close_unref(bus_);
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error("dbus-daemon does not answer");
    std::this_thread::sleep_for(10ms);
  }
  check(sd_bus_add_object_vtable(bus_, nullptr, kManagerPath, kManager, kManagerTable, &state_), "manager");
  check(sd_bus_add_fallback_vtable(bus_, nullptr, kSessions, kSessionInterface, kSessionTable, find_session,
                                   &state_),
        "sessions");
  check(sd_bus_request_name(bus_, kName, 0), "the name of logind");
  thread_ = std::thread([this] { serve(); });
}

FakeLogind::~FakeLogind() {
  run_in_thread([this] { ending_ = true; });
  thread_.join();
  sd_bus_flush_close_unref(bus_);
  bus_process_.reset();
  unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
  std::filesystem::remove_all(folder_);
}

void FakeLogind::serve() {
  while (!ending_) {
    while (sd_bus_process(bus_, nullptr) > 0) {
    }
    pollfd fds[] = {{sd_bus_get_fd(bus_), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    poll(fds, std::size(fds), -1);
    if (fds[1].revents == 0) continue;
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = read(wake_.get(), &count, sizeof count);
    std::function<void()> work;
    {
      std::lock_guard lock(mutex_);
      work = std::exchange(work_, {});
    }
    if (work) work();
  }
}

void FakeLogind::run_in_thread(std::function<void()> work) {
  std::promise<void> done;
  {
    std::lock_guard lock(mutex_);
    work_ = [&] {
      work();
      done.set_value();
    };
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
  done.get_future().wait();
}

void FakeLogind::set(const std::string& id, const Session& session) {
  run_in_thread([&] {
    const bool is_new = state_.sessions.insert_or_assign(id, session).second;
    if (is_new) {
      sd_bus_emit_signal(bus_, kManagerPath, kManager, "SessionNew", "so", id.c_str(), path_of(id).c_str());
    } else {
      sd_bus_emit_properties_changed(bus_, path_of(id).c_str(), kSessionInterface, "Active", "LockedHint",
                                     nullptr);
    }
    sd_bus_flush(bus_);
  });
}

void FakeLogind::remove(const std::string& id) {
  run_in_thread([&] {
    state_.sessions.erase(id);
    sd_bus_emit_signal(bus_, kManagerPath, kManager, "SessionRemoved", "so", id.c_str(), path_of(id).c_str());
    sd_bus_flush(bus_);
  });
}

void FakeLogind::leave() {
  run_in_thread([&] { check(sd_bus_release_name(bus_, kName), "its name"); });
}

}  // namespace framering::testing
