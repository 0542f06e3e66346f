#include "client/cli/list.h"

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "client/cli/commands.h"
#include "client/cli/interrupt.h"
#include "client/cli/output.h"
#include "client/cli/table.h"
#include "client/cli/terminal.h"

namespace framering::cli {

namespace {

constexpr const char* kKeys = "q quit";
constexpr char kControlC = 3;

// `look` gives the desktop, or throws why there is none.
template <class Look>
void take_desktop(Listing& listing, const Look& look) {
  try {
    listing.desktop = look();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::disconnected) throw;
    listing.no_desktop = error.what();
  }
}

Listing listing_now(Connection& connection) {
  Listing listing{connection.daemon_version(), connection.daemon_pid(), connection.list(), {}};
  take_desktop(listing, [&] { return connection.desktop(); });
  return listing;
}

// Nothing where it was given up.
std::optional<Listing> next_listing(Connection& connection, DesktopWatch& watch) {
  Listing listing{connection.daemon_version(), connection.daemon_pid(), {}, {}};
  take_desktop(listing, [&] { return watch.next(forever, [] { return !interrupted(); }); });
  if (!listing.desktop && listing.no_desktop.empty()) return std::nullopt;
  listing.streams = connection.list();
  return listing;
}

void print(const Listing& listing, bool json, bool one_line) {
  if (json) {
    std::printf("%s\n", list_json(listing, one_line).c_str());
  } else {
    for (const std::string& line : list_lines(listing)) std::printf("%s\n", line.c_str());
  }
  flush_standard_output();
}

// As much as fits.
void draw(Terminal& terminal, const Listing& listing) {
  const Terminal::Size size = terminal.size();
  std::vector<std::string> lines = list_lines(listing);
  lines.resize(size.rows - 1);
  for (std::string& line : lines) line = cut_to_columns(line, size.columns);
  lines.push_back(cut_to_columns(kKeys, size.columns));
  terminal.draw(lines);
}

int watch_on_terminal(Connection& connection, DesktopWatch& watch) {
  Terminal terminal;
  for (;;) {
    const auto listing = next_listing(connection, watch);
    if (!listing) return kOk;
    draw(terminal, *listing);
    // A key, another size of the terminal, or a change.
    for (bool changed = false; !changed;) {
      const auto [key, is_change] = terminal.key_or(watch.fd());
      if (key == 'q' || key == kControlC) return kOk;
      changed = is_change;
      if (!changed) draw(terminal, *listing);
    }
  }
}

int watch_on_and_on(Connection& connection, DesktopWatch& watch, bool json) {
  end_on_interrupt();
  for (bool first = true; const auto listing = next_listing(connection, watch); first = false) {
    if (!first && !json) std::printf("\n");
    print(*listing, json, /*one_line=*/true);
  }
  return kOk;
}

}  // namespace

int list(const std::string& socket, const ListOptions& options) {
  Connection connection = Connection::connect(socket, "framering list");
  if (options.sources) {
    for (const std::string& line : source_lines(listing_now(connection))) std::printf("%s\n", line.c_str());
    return kOk;
  }
  if (!options.watch) {
    print(listing_now(connection), options.json, /*one_line=*/false);
    return kOk;
  }
  DesktopWatch watch = connection.watch_desktop();
  return Terminal::is_there() && !options.json ? watch_on_terminal(connection, watch)
                                               : watch_on_and_on(connection, watch, options.json);
}

}  // namespace framering::cli
