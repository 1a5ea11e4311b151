#include "gpuwarden/runpod/provider.hpp"

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
  if (const Duration wait = wire_->try_turn(Priority::read); wait > Duration{0}) {
    Error error;
    error.kind = ErrorKind::rate_limited;
    error.message = fmt::format("the request budget has no room for {}", format_duration(wait));
    error.retry_after = wait;
    co_return fail(std::move(error));
  }
  http::Request get =
      wire_->request("GET", fmt::format("{}/logs?source={}&tail={}", pod_path(query.pod),
                                        http::url_encode(query.source), std::clamp(query.tail, 0, 5000)));
  get.headers.emplace_back("Accept", "text/event-stream");
  get.timeout = std::max(query.listen, Duration{1});
  LogParser parser;
  std::string refusal;
  std::size_t received = 0;
  get.on_chunk = [&](std::string_view chunk) {
    parser.feed(chunk);
    refusal.append(chunk.substr(0, kMostErrorBytes - std::min(kMostErrorBytes, refusal.size())));
    received += chunk.size();
    return received < kMostLogBytes;
  };
  auto response = co_await wire_->exchange(std::move(get));
  std::vector<PodLogLine> lines = parser.take();
  if (response && response->status != 200) {
    response->body = std::move(refusal);
    co_return fail(
        error_of(*response, wire_->retry_after(*response)).within("log of pod " + query.pod.str()));
  }
  // The stream has no end: running out of time is how it is meant to be left.
  const bool time_was_up = !response && response.error().kind == ErrorKind::timeout;
  if (!response && !time_was_up && lines.empty()) {
    co_return fail(response.error().within("log of pod " + query.pod.str()));
  }
  for (PodLogLine& line : lines) {
    if (line.source.empty()) line.source = query.source;
  }
  co_return lines;
}

Async<std::vector<GpuOffer>> RunpodProvider::gpu_offers(Cloud cloud) {
  return all_pages<GpuOffer>(
      *wire_, Priority::read,
      fmt::format("/catalog/gpus?include=AVAILABILITY&product=POD&cloud={}&count=1", to_string(cloud)),
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
