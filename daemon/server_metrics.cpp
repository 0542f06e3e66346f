// What Server counts and what its streams and clients do, as text for Prometheus.
#include <functional>
#include <string>
#include <vector>

#include "daemon/server.h"

namespace framering::daemon {

namespace {

using proto::ErrorCode;

struct StreamNow {
  std::shared_ptr<Stream> stream;
  proto::StreamInfo info;  // with all its clients
};
using Streams = std::vector<StreamNow>;

template <class Value>
void for_streams(MetricsText& out, const Streams& streams, Value&& value) {
  for (const StreamNow& now : streams) {
    out.value(static_cast<double>(value(now)), {{"source", now.info.source}});
  }
}

template <class Value>
void for_clients(MetricsText& out, const Streams& streams, Value&& value) {
  for (const StreamNow& now : streams) {
    for (const proto::ClientInfo& client : now.info.clients) {
      const std::string pid = std::to_string(client.pid), uid = std::to_string(client.uid);
      out.value(static_cast<double>(value(client)),
                {{"source", now.info.source}, {"pid", pid}, {"uid", uid}, {"client", client.name}});
    }
  }
}

void for_codes(MetricsText& out, const ErrorCounts& counts) {
  for (uint16_t number = 1; number <= proto::kErrorCodes; ++number) {
    const auto code = static_cast<ErrorCode>(number);
    out.value(static_cast<double>(counts.of(code)), {{"code", proto::code_name(code)}});
  }
}

template <class Value>
uint64_t over_clients(const StreamNow& now, Value&& value) {
  uint64_t sum = 0;
  for (const proto::ClientInfo& client : now.info.clients) sum += value(client);
  return sum;
}

void write_streams(MetricsText& out, const Streams& streams) {
  out.family("framering_stream_available", "gauge", "1 while the source can be captured.");
  for_streams(out, streams, [](const auto& now) { return now.info.available; });
  out.family("framering_stream_width_pixels", "gauge", "Width of the frames.");
  for_streams(out, streams, [](const auto& now) { return now.info.width; });
  out.family("framering_stream_height_pixels", "gauge", "Height of the frames.");
  for_streams(out, streams, [](const auto& now) { return now.info.height; });
  out.family("framering_epochs_total", "counter", "Times that memory was made for a new size or source.");
  for_streams(out, streams, [](const auto& now) { return now.stream->metrics.epochs.load(); });
  out.family("framering_captures_total", "counter", "Captures, also those that found no change.");
  for_streams(out, streams, [](const auto& now) { return now.info.captures; });
  out.family("framering_frames_total", "counter", "Frames published.");
  for_streams(out, streams, [](const auto& now) { return now.info.published; });
  out.family("framering_captured_bytes_total", "counter", "Bytes of the pixels that changed.");
  for_streams(out, streams, [](const auto& now) { return now.stream->metrics.bytes.load(); });
  out.family("framering_dropped_frames_total", "counter", "Frames that could not be captured in time.");
  for (const StreamNow& now : streams) {
    out.value(static_cast<double>(now.info.dropped),
              {{"source", now.info.source}, {"reason", "no_free_slot"}});
  }
  out.family("framering_source_round_trips_total", "counter",
             "Answers of the X server that were waited for.");
  for_streams(out, streams, [](const auto& now) { return now.stream->metrics.round_trips.load(); });
  out.family("framering_memory_bytes", "gauge", "Memory of the present ring, by its kind.");
  for (const StreamNow& now : streams) {
    out.value(static_cast<double>(now.stream->memory_bytes()),
              {{"source", now.info.source}, {"memory", proto::memory_name(now.info.memory)}});
  }
}

void write_times(MetricsText& out, const Streams& streams) {
  struct Time {
    const char* name;
    const char* help;
    const Histogram StreamMetrics::*histogram;
  };
  for (const Time& time :
       {Time{"framering_capture_seconds", "From asking for the pixels to having them.",
             &StreamMetrics::capture},
        Time{"framering_upload_seconds", "From having them to having them in the slot.",
             &StreamMetrics::upload},
        Time{"framering_publish_seconds", "From there to telling the readers.", &StreamMetrics::publish},
        Time{"framering_frame_age_seconds", "Age of a frame when it is published.", &StreamMetrics::age}}) {
    out.family(time.name, "histogram", time.help);
    for (const StreamNow& now : streams) out.histogram(now.stream->metrics.*time.histogram, now.info.source);
  }
}

void write_readers(MetricsText& out, const Streams& streams) {
  out.family("framering_readers", "gauge", "Times that clients have the stream open.");
  for_streams(out, streams, [](const auto& now) { return now.info.client_count; });
  out.family("framering_leases_held", "gauge", "Frames that readers hold now.");
  for_streams(out, streams, [](const StreamNow& now) {
    return over_clients(now, [](const auto& client) { return client.leases_held; });
  });
  out.family("framering_leases_broken_total", "counter", "Frames taken back after the guarantee.");
  for_streams(out, streams, [](const StreamNow& now) {
    return now.stream->metrics.leases_broken_before.load() +
           over_clients(now, [](const auto& client) { return client.leases_broken; });
  });
  out.family("framering_drops_caused_total", "counter",
             "Drops, each counted for every client that held a slot.");
  for_streams(out, streams, [](const StreamNow& now) {
    return now.stream->metrics.drops_caused_before.load() +
           over_clients(now, [](const auto& client) { return client.drops_caused; });
  });
  out.family("framering_client_leases_held", "gauge", "Frames that this client holds now.");
  for_clients(out, streams, [](const auto& client) { return client.leases_held; });
  out.family("framering_client_leases_broken_total", "counter", "Frames taken back from this client.");
  for_clients(out, streams, [](const auto& client) { return client.leases_broken; });
  out.family("framering_client_drops_caused_total", "counter", "Drops while this client held a slot.");
  for_clients(out, streams, [](const auto& client) { return client.drops_caused; });
}

}  // namespace

std::string Server::metrics() const {
  Streams streams;
  for (const auto& stream : streams_.streams()) {
    StreamNow now{stream, stream->info()};
    for (const auto& [key, session] : sessions_) {
      for (proto::ClientInfo& client : session->clients_of(*stream)) {
        ++now.info.client_count;
        now.info.clients.push_back(std::move(client));
      }
    }
    streams.push_back(std::move(now));
  }
  MetricsText out;
  out.family("framering_build_info", "gauge", "1, with the version.");
  out.value(1, {{"version", FRAMERING_VERSION}});
  out.family("framering_clients", "gauge", "Connected clients.");
  out.value(static_cast<double>(sessions_.size()));
  out.family("framering_connects_total", "counter", "Connects, also those that were refused.");
  out.value(static_cast<double>(connects_));
  out.family("framering_denials_total", "counter", "Connects that were refused, by the reason's code.");
  for_codes(out, denials_);
  out.family("framering_errors_total", "counter", "Errors told to attached clients, by code.");
  for_codes(out, errors_);
  write_streams(out, streams);
  write_times(out, streams);
  write_readers(out, streams);
  return out.text();
}

}  // namespace framering::daemon
