#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/domain/pod.hpp"
#include "gpuwarden/http/client.hpp"
#include "gpuwarden/ports/pod_provider.hpp"

/// What travels between the daemon and Runpod's REST v2, as pure functions. Answers are read leniently
/// (unknown statuses and fields, absent parts) except where a gap would make a pod invisible.
namespace gpuwarden::runpod {

/// Body of POST /pods for one candidate. Error (invalid_input) for what the service is known to refuse.
Result<std::string> create_body(const PodSpec& spec);

/// A part of a list, and where the next part begins.
template <class T>
struct Page {
  std::vector<T> items;
  std::optional<std::string> next_cursor;  ///< nullopt = this was the last page
};
/// Error (malformed) when the list or a pod's id, name or status cannot be read: a page with a hole is no
/// page.
Result<Page<Pod>> parse_pod_page(std::string_view body);
Result<Pod> parse_pod(std::string_view body);
Result<Page<NetworkVolume>> parse_volume_page(std::string_view body);
Result<Page<DataCenterInfo>> parse_data_center_page(std::string_view body);
/// Price and stock are those of `cloud`.
Result<Page<GpuOffer>> parse_gpu_page(std::string_view body, Cloud cloud);

/// How a POST /pods ended by its answer; anything that leaves room for a pod is CreateAmbiguous.
ports::CreateOutcome create_outcome(const http::Response& response, std::optional<Duration> retry_after);
/// The same when there was no complete answer.
ports::CreateOutcome create_outcome(const Error& error);
DeleteOutcome delete_outcome(const http::Response& response);
DeleteOutcome delete_outcome(const Error& error);

/// Class and one line for a refused read.
Error error_of(const http::Response& response, std::optional<Duration> retry_after);
/// True for the texts by which Runpod says that a candidate has no free machine.
bool says_no_capacity(std::string_view detail);
bool says_no_balance(std::string_view detail);

/// Server-sent events of GET /pods/{id}/logs, fed in chunks of any size. Events that cannot be read are
/// skipped.
class LogParser {
 public:
  void feed(std::string_view chunk);
  /// The lines so far, oldest first, the unfinished last event included.
  std::vector<PodLogLine> take();

 private:
  void line(std::string_view text);
  void end_event();
  std::string pending_;  // an unfinished line
  std::string data_;     // data lines of the current event
  std::vector<PodLogLine> lines_;
};

}  // namespace gpuwarden::runpod
