#include <grp.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "daemon/capture/test_source.h"
#include "daemon/capture/x11_desktop.h"
#include "daemon/capture/x11_source.h"
#include "daemon/capture/x11_window.h"
#include "daemon/handed_display.h"
#include "daemon/memory/cuda_pool.h"
#include "daemon/memory/host_pool.h"
#include "daemon/platform.h"

namespace framering::daemon {

using proto::MemoryKind;

namespace {

template <class... Kinds>
struct Overloaded : Kinds... {
  using Kinds::operator()...;
};
template <class... Kinds>
Overloaded(Kinds...) -> Overloaded<Kinds...>;

}  // namespace

Shared make_shared_parts() {
  auto handed = std::make_shared<HandedDisplay>();
  return {handed, std::make_shared<X11Hubs>(handed.get())};
}

SourceFactory find_source(const SourceName& name, const Config& config, const Shared& shared) {
  const auto part = [&](auto part) -> SourceFactory {
    const X11Options options{.display = config.display,
                             .part = std::move(part),
                             .hubs = shared.x11,
                             .embed_cursor = name.with_cursor()};
    return [options] { return open_x11_source(options); };
  };
  const auto window = [&](auto window) -> SourceFactory {
    const X11WindowOptions options{.display = config.display,
                                   .name = std::move(window),
                                   .hubs = shared.x11,
                                   .embed_cursor = name.with_cursor()};
    return [options] { return open_x11_window(options); };
  };
  return std::visit(Overloaded{[](const TestName& test) -> SourceFactory {
                                 const TestSourceOptions options{{test.width, test.height}, test.fps};
                                 return [options] { return open_test_source(options); };
                               },
                               [&](const ScreenName& screen) { return part(screen); },
                               [&](const MonitorName& monitor) { return part(monitor); },
                               [&](const RegionName& region) { return part(region); },
                               [&](const auto& any_window) { return window(any_window); }},
                    name.value());
}

bool is_of_display(const SourceName& name) {
  return !std::holds_alternative<TestName>(name.value());
}
DesktopFactory find_desktop(const Config& config, const Shared& shared) {
  return [display = config.display, hubs = shared.x11] { return open_x11_desktop(display, *hubs); };
}

double default_max_fps(const SourceName& name) {
  return is_of_display(name) ? 60 : 0;  // a test source has a rate of its own
}

proto::Result<PoolFactory> find_pool(const std::string& source, const Config& config,
                                     std::function<void()> needs_new_process) {
  const auto own = config.stream_memory.find(source);
  const MemoryChoice& memory = own == config.stream_memory.end() ? config.memory : own->second;
  if (memory.kind == MemoryKind::kHost) return PoolFactory(HostPool::create);
  const bool chooses = memory.kind == MemoryKind::kAuto;
  const auto place = find_cuda_place(chooses ? MemoryKind::kCuda : memory.kind, memory.device);
  if (place) {
    spdlog::info("{}: {} memory of {}", source, proto::memory_name(place->kind), place->text);
    return PoolFactory([place = *place, needs_new_process = std::move(needs_new_process)](
                           const Geometry& geometry, uint32_t slot_count) {
      auto pool = create_cuda_pool(place, geometry, slot_count);
      if (!pool && cuda_device_lost()) needs_new_process();
      return pool;
    });
  }
  if (!chooses) return place.error();
  spdlog::info("{}: host memory: {}", source, place.error().message);
  return PoolFactory(HostPool::create);
}

void restart_process(char* const* arguments) {
  execv("/proc/self/exe", arguments);
}

std::optional<uint32_t> find_group(const char* name) {
  const group* entry = getgrnam(name);
  return entry ? std::optional<uint32_t>(entry->gr_gid) : std::nullopt;
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace framering::daemon
