#include "gpuwarden/runpod/provider.hpp"

#include <algorithm>
#include <cctype>
#include <set>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/runpod/codec.hpp"

#include "wire.hpp"

namespace gpuwarden::runpod {
namespace {

using boost::asio::awaitable;
using http::Priority;
using ports::Async;

constexpr Duration kLogOpens = std::chrono::seconds(5);  // until a log's headers have come
constexpr std::size_t kMostLogBytes = 4U << 20U;
constexpr std::size_t kMostErrorBytes = 16U << 10U;

std::string pod_path(const PodId& pod) {
  return "/pods/" + http::url_encode(pod.str());
}

/// All pages of a list, or an error. `Wire` is a parameter only because the class is private.
template <class T, class Wire, class Parse>
Async<std::vector<T>> all_pages(Wire& wire, Priority priority, std::string path, Parse parse) {
  const char separator = path.find('?') == std::string::npos ? '?' : '&';
  std::vector<T> all;
  std::set<std::string> seen;
  std::string page_path = path;
  for (int number = 1; number <= wire.settings().max_pages; ++number) {
    const auto body = co_await wire.read(priority, page_path);
    if (!body) co_return fail(body.error().within(fmt::format("page {} of {}", number, path)));
    Result<Page<T>> page = parse(*body);
    if (!page) co_return fail(page.error().within(fmt::format("page {} of {}", number, path)));
    std::move(page->items.begin(), page->items.end(), std::back_inserter(all));
    if (!page->next_cursor) co_return all;
    if (!seen.insert(*page->next_cursor).second) {
      co_return fail(ErrorKind::malformed,
                     fmt::format("{}: page {} leads back to an earlier one", path, number));
    }
    page_path = fmt::format("{}{}cursor={}", path, separator, http::url_encode(*page->next_cursor));
  }
  co_return fail(ErrorKind::malformed,
                 fmt::format("{}: more than {} pages", path, wire.settings().max_pages));
}

std::string log_path(const ports::LogQuery& query) {
  const std::string path =
      fmt::format("{}/logs?source={}", pod_path(query.pod), http::url_encode(query.source));
  if (query.since) return fmt::format("{}&since={}", path, http::url_encode(format_time_ms(*query.since)));
  return fmt::format("{}&tail={}", path, std::clamp(query.tail, 0, 5000));
}

bool is_event_stream(const http::Response& head) {
  std::string type(head.header("Content-Type").value_or(""));
  std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) { return std::tolower(c); });
  return type.starts_with("text/event-stream");
}

/// What came while listening. Silence counts as an empty log only where the service has opened one.
template <class Wire>
Async<std::vector<PodLogLine>> read_log(Wire& wire, const ports::LogQuery& query) {
  if (const Duration wait = wire.try_turn(Priority::read); wait > Duration{0}) {
    Error error;
    error.kind = ErrorKind::rate_limited;
    error.message = fmt::format("the request budget has no room for {}", format_duration(wait));
    error.retry_after = wait;
    co_return fail(std::move(error));
  }
  http::Request get = wire.request("GET", log_path(query));
  get.headers.emplace_back("Accept", "text/event-stream");
  get.listen = std::max(query.listen, Duration{1});
  get.timeout = get.listen + kLogOpens;
  std::optional<http::Response> head;
  LogParser parser;
  std::string refusal;
  std::size_t received = 0;
  get.on_headers = [&](const http::Response& answer) { head = answer; };
  get.on_chunk = [&](std::string_view chunk) {
    received += chunk.size();
    refusal.append(chunk.substr(0, kMostErrorBytes - std::min(kMostErrorBytes, refusal.size())));
    if (is_event_stream(*head)) parser.feed(chunk);
    return received < kMostLogBytes;
  };
  const auto response = co_await wire.exchange(std::move(get));
  if (!head) co_return fail(response.error());
  if (head->status != 200) {
    head->body = std::move(refusal);
    co_return fail(error_of(*head, wire.retry_after(*head)));
  }
  if (!is_event_stream(*head)) {
    co_return fail(ErrorKind::malformed,
                   fmt::format("the answer is {}, not an event stream",
                               ellipsize(printable(head->header("Content-Type").value_or("untyped")), 60)));
  }
  auto lines = parser.take();
  // What came before a stream broke off is worth having.
  if (!response && (lines.empty() || response.error().kind == ErrorKind::cancelled)) {
    co_return fail(response.error());
  }
  co_return lines;
}

}  // namespace

RunpodProvider::RunpodProvider(http::Client& client, const ports::Clock& clock, Settings settings)
    : wire_(std::make_unique<Wire>(client, clock, std::move(settings))) {}

RunpodProvider::~RunpodProvider() = default;

awaitable<ports::CreateOutcome> RunpodProvider::create(PodSpec spec) {
  auto body = create_body(spec);
  if (!body) co_return CreateInvalid{0, body.error().message};
  if (const Duration wait = co_await wire_->take_turn(Priority::create); wait > Duration{0}) {
    co_return CreateNotSent{fmt::format("the request budget has no room for {}", format_duration(wait))};
  }
  http::Request post = wire_->request("POST", "/pods");
  post.headers.emplace_back("Content-Type", "application/json");
  post.headers.emplace_back("Accept", "application/json");
  post.body = std::move(*body);
  post.timeout = wire_->settings().create_timeout;
  auto response = co_await wire_->exchange(std::move(post));
  if (!response) co_return create_outcome(response.error());
  co_return create_outcome(*response, wire_->retry_after(*response));
}

Async<std::vector<Pod>> RunpodProvider::list() {
  auto pods = co_await all_pages<Pod>(
      *wire_, Priority::list, fmt::format("/pods?limit={}", wire_->settings().page_size), parse_pod_page);
  if (!pods) co_return fail(pods.error());
  // A pod moves to a later page when another is created between two requests.
  std::unordered_set<PodId> seen;
  std::erase_if(*pods, [&](const Pod& pod) { return !seen.insert(pod.id).second; });
  co_return std::move(*pods);
}

Async<std::optional<Pod>> RunpodProvider::get(PodId pod) {
  const auto body = co_await wire_->read(Priority::read, pod_path(pod));
  if (!body) {
    if (body.error().http_status == 404) co_return std::nullopt;
    co_return fail(body.error().within("pod " + pod.str()));
  }
  auto parsed = parse_pod(*body);
  if (!parsed) co_return fail(parsed.error().within("pod " + pod.str()));
  co_return std::move(*parsed);
}

awaitable<DeleteOutcome> RunpodProvider::remove(PodId pod) {
  const MonoTime ends = wire_->now() + wire_->settings().deadline;
  bool doubt = false;  // an attempt may have taken effect
  for (int made = 1;; ++made) {
    const auto otherwise = [&](DeleteOutcome outcome) { return doubt ? DeleteOutcome::ambiguous : outcome; };
    if (co_await wire_->take_turn(Priority::remove) > Duration{0})
      co_return otherwise(DeleteOutcome::not_sent);
    const auto response = co_await wire_->exchange(wire_->request("DELETE", pod_path(pod)));
    const DeleteOutcome outcome = response ? delete_outcome(*response) : delete_outcome(response.error());
    const Error error = response ? error_of(*response, wire_->retry_after(*response)) : response.error();
    switch (outcome) {
      case DeleteOutcome::accepted:
      case DeleteOutcome::not_found:
      case DeleteOutcome::refused:
        co_return outcome;
      case DeleteOutcome::ambiguous:
        doubt = true;
        break;
      case DeleteOutcome::not_sent:
        break;
    }
    if (error.kind == ErrorKind::cancelled || !co_await wire_->pause(error, made, ends)) {
      co_return otherwise(outcome);
    }
  }
}

Async<std::vector<PodLogLine>> RunpodProvider::logs(ports::LogQuery query) {
  auto lines = co_await read_log(*wire_, query);
  if (!lines) co_return fail(lines.error().within("log of pod " + query.pod.str()));
  for (PodLogLine& line : *lines) {
    if (line.source.empty()) line.source = query.source;
  }
  co_return lines;
}

Async<std::vector<GpuOffer>> RunpodProvider::gpu_offers(Cloud cloud) {
  std::string path =
      fmt::format("/catalog/gpus?include=AVAILABILITY&product=POD&cloud={}&count=1", to_string(cloud));
  const std::string& min_cuda = wire_->settings().min_cuda;
  if (!min_cuda.empty()) path += "&minCudaVersion=" + http::url_encode(min_cuda);
  return all_pages<GpuOffer>(*wire_, Priority::read, std::move(path),
                             [cloud](std::string_view body) { return parse_gpu_page(body, cloud); });
}

Async<std::vector<DataCenterInfo>> RunpodProvider::data_centers() {
  return all_pages<DataCenterInfo>(*wire_, Priority::read, "/catalog/datacenters", parse_data_center_page);
}

Async<std::vector<NetworkVolume>> RunpodProvider::volumes() {
  return all_pages<NetworkVolume>(*wire_, Priority::read, "/network-volumes", parse_volume_page);
}

std::vector<BudgetWindow> RunpodProvider::budget() const {
  return wire_->budget();
}

}  // namespace gpuwarden::runpod
