#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "client/cli/commands.h"

namespace framering::cli {

namespace {

using Json = nlohmann::ordered_json;

Json to_json(const StreamInfo& stream) {
  Json clients = Json::array();
  for (const ClientInfo& client : stream.clients) {
    clients.push_back({{"pid", client.pid},
                       {"uid", client.uid},
                       {"name", client.name},
                       {"leases_held", client.leases_held},
                       {"drops_caused", client.drops_caused},
                       {"leases_broken", client.leases_broken},
                       {"confirmations_asked", client.confirmations_asked}});
  }
  return {{"source", stream.source},         {"available", stream.available},
          {"reason", stream.reason},         {"epoch", stream.epoch},
          {"width", stream.width},           {"height", stream.height},
          {"format", name(stream.format)},   {"memory", name(stream.memory)},
          {"slot_count", stream.slot_count}, {"max_fps", stream.max_fps},
          {"captures", stream.captures},     {"published", stream.published},
          {"dropped", stream.dropped},       {"client_count", stream.client_count},
          {"clients", std::move(clients)}};
}

constexpr size_t kColumns = 8;
constexpr size_t kTextColumns = 4;  // to the left; the numbers after them to the right
using Row = std::array<std::string, kColumns>;

Row row_of(const StreamInfo& stream) {
  return {stream.source,
          std::to_string(stream.width) + "x" + std::to_string(stream.height),
          std::string(name(stream.format)),
          std::string(name(stream.memory)),
          std::to_string(stream.slot_count),
          std::to_string(stream.published),
          std::to_string(stream.dropped),
          std::to_string(stream.client_count)};
}

void print(const ClientInfo& client) {
  std::printf("  pid %u, uid %u, %s: holds %u, broken %llu, drops caused %llu\n", client.pid, client.uid,
              client.name.empty() ? "no name" : client.name.c_str(), client.leases_held,
              static_cast<unsigned long long>(client.leases_broken),
              static_cast<unsigned long long>(client.drops_caused));
}

void print(const std::vector<StreamInfo>& streams) {
  const Row header = {"SOURCE", "SIZE", "FORMAT", "MEMORY", "SLOTS", "PUBLISHED", "DROPPED", "CLIENTS"};
  std::array<int, kColumns> widths{};
  const auto widen = [&widths](const Row& row, size_t columns) {
    for (size_t i = 0; i < columns; ++i) widths[i] = std::max(widths[i], static_cast<int>(row[i].size()));
  };
  const auto print_row = [&widths](const Row& row) {
    for (size_t i = 0; i < kColumns; ++i) {
      const int width = i < kTextColumns ? -widths[i] : widths[i];
      std::printf("%*s%s", width, row[i].c_str(), i + 1 < kColumns ? "  " : "\n");
    }
  };
  widen(header, kColumns);
  for (const StreamInfo& stream : streams) widen(row_of(stream), stream.available ? kColumns : 1);
  print_row(header);
  for (const StreamInfo& stream : streams) {
    if (stream.available) {
      print_row(row_of(stream));
    } else {
      std::printf("%*s  unavailable: %s\n", -widths[0], stream.source.c_str(), stream.reason.c_str());
    }
    for (const ClientInfo& client : stream.clients) print(client);
  }
}

}  // namespace

int list(const std::string& socket, const ListOptions& options) {
  Connection connection = Connection::connect(socket, "framering list");
  const std::vector<StreamInfo> streams = connection.list();
  if (!options.json) {
    print(streams);
    return kOk;
  }
  Json all = {{"daemon_version", connection.daemon_version()}, {"daemon_pid", connection.daemon_pid()}};
  all["streams"] = Json::array();
  for (const StreamInfo& stream : streams) all["streams"].push_back(to_json(stream));
  std::printf("%s\n", all.dump(2).c_str());
  return kOk;
}

}  // namespace framering::cli
