#include "simulation/provider.hpp"

#include <set>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/runpod/codec.hpp"

#include "simulation/wire.hpp"

namespace gpuwarden::simulation {
namespace {

using boost::asio::awaitable;
using http::Priority;
using ports::Async;

constexpr Duration kLogOpens = std::chrono::seconds(5);

/// `Wire` is a parameter only because the class is private.
template <class T, class Wire, class Parse>
Async<std::vector<T>> all_pages(std::shared_ptr<Wire> wire, Priority priority, std::string path,
                                std::string name, Parse parse) {
  std::vector<T> all;
  std::set<std::string> seen;
  std::string page_path = path;
  for (int number = 1; number <= wire->settings.max_pages; ++number) {
    const auto body = co_await wire->read(priority, page_path, name);
    if (!body) co_return fail(body.error().within(fmt::format("page {} of {}", number, path)));
    auto page = parse(*body);
    if (!page) co_return fail(page.error().within(fmt::format("page {} of {}", number, path)));
    std::move(page->items.begin(), page->items.end(), std::back_inserter(all));
    if (!page->next_cursor) co_return all;
    if (!seen.insert(*page->next_cursor).second)
      co_return fail(ErrorKind::malformed,
                     fmt::format("{}: page {} leads back to an earlier one", path, number));
    page_path = fmt::format("{}{}cursor={}", path, path.find('?') == std::string::npos ? '?' : '&',
                            http::url_encode(*page->next_cursor));
  }
  co_return fail(ErrorKind::malformed, fmt::format("{}: more than {} pages", path, wire->settings.max_pages));
}

}  // namespace

SimProvider::SimProvider(Cloud& cloud, Fates& fates, ports::Clock& clock, Random random, std::string caller,
                         runpod::Settings settings)
    : wire_(std::make_shared<Wire>(cloud, fates, clock, random, std::move(caller), std::move(settings))) {}

awaitable<ports::CreateOutcome> SimProvider::create(PodSpec spec) {
  const auto wire = wire_;
  auto body = runpod::create_body(spec);
  if (!body) co_return CreateInvalid{0, body.error().message};
  if (const Duration wait = co_await wire->take_turn(Priority::create); wait > Duration{0})
    co_return CreateNotSent{fmt::format("the request budget has no room for {}", format_duration(wait))};
  Wire::Call post{"POST",     "/pods", std::move(*body), "create " + spec.name, wire->settings.create_timeout,
                  Duration{0}};
  const auto response = co_await wire->exchange(std::move(post));
  if (!response) co_return runpod::create_outcome(response.error());
  co_return runpod::create_outcome(*response, wire->retry_after(*response));
}

Async<std::vector<Pod>> SimProvider::list() {
  const auto wire = wire_;
  auto pods =
      co_await all_pages<Pod>(wire, Priority::list, fmt::format("/pods?limit={}", wire->settings.page_size),
                              "list", runpod::parse_pod_page);
  if (!pods) co_return fail(pods.error());
  std::unordered_set<PodId> seen;
  std::erase_if(*pods, [&](const Pod& pod) { return !seen.insert(pod.id).second; });
  co_return std::move(*pods);
}

Async<std::optional<Pod>> SimProvider::get(PodId pod) {
  const auto body = co_await wire_->read(Priority::read, "/pods/" + pod.str(), "get " + pod.str());
  if (!body) {
    if (body.error().http_status == 404) co_return std::nullopt;
    co_return fail(body.error().within("pod " + pod.str()));
  }
  auto parsed = runpod::parse_pod(*body);
  if (!parsed) co_return fail(parsed.error().within("pod " + pod.str()));
  co_return std::move(*parsed);
}

awaitable<DeleteOutcome> SimProvider::remove(PodId pod) {
  const auto wire = wire_;
  const MonoTime ends = wire->clock.now() + wire->settings.deadline;
  bool doubt = false;
  for (int made = 1;; ++made) {
    if (co_await wire->take_turn(Priority::remove) > Duration{0})
      co_return doubt ? DeleteOutcome::ambiguous : DeleteOutcome::not_sent;
    Wire::Call call{"DELETE",   "/pods/" + pod.str(), "", "delete " + pod.str(), wire->settings.read_timeout,
                    Duration{0}};
    const auto response = co_await wire->exchange(std::move(call));
    const DeleteOutcome outcome =
        response ? runpod::delete_outcome(*response) : runpod::delete_outcome(response.error());
    const Error error =
        response ? runpod::error_of(*response, wire->retry_after(*response)) : response.error();
    if (outcome != DeleteOutcome::ambiguous && outcome != DeleteOutcome::not_sent) co_return outcome;
    doubt = doubt || outcome == DeleteOutcome::ambiguous;
    if (error.kind == ErrorKind::cancelled || !co_await wire->pause_before_retry(error, made, ends))
      co_return doubt ? DeleteOutcome::ambiguous : outcome;
  }
}

Async<std::vector<PodLogLine>> SimProvider::logs(ports::LogQuery query) {
  const auto wire = wire_;
  const std::string about = "log of pod " + query.pod.str();
  if (const Duration wait = wire->budget.try_spend(Priority::read, wire->clock.now()); wait > Duration{0})
    co_return fail(ErrorKind::rate_limited, about + ": the request budget has no room");
  std::string path = fmt::format("/pods/{}/logs?source={}", query.pod.str(), query.source);
  path += query.since ? "&since=" + http::url_encode(format_time_ms(*query.since))
                      : fmt::format("&tail={}", query.tail);
  Wire::Call get{
      "GET", std::move(path), "", "logs " + query.pod.str(), kLogOpens, std::max(query.listen, Duration{1})};
  const auto response = co_await wire->exchange(std::move(get));
  if (!response) co_return fail(response.error().within(about));
  if (response->status != 200)
    co_return fail(runpod::error_of(*response, wire->retry_after(*response)).within(about));
  runpod::LogParser parser;
  parser.feed(response->body);
  co_return parser.take();
}

Async<std::vector<GpuOffer>> SimProvider::gpu_offers(gpuwarden::Cloud cloud) {
  std::string path =
      fmt::format("/catalog/gpus?include=AVAILABILITY&product=POD&cloud={}&count=1", to_string(cloud));
  return all_pages<GpuOffer>(wire_, Priority::read, std::move(path), "gpus",
                             [cloud](std::string_view body) { return runpod::parse_gpu_page(body, cloud); });
}

Async<std::vector<DataCenterInfo>> SimProvider::data_centers() {
  return all_pages<DataCenterInfo>(wire_, Priority::read, "/catalog/datacenters", "data centers",
                                   runpod::parse_data_center_page);
}

Async<std::vector<NetworkVolume>> SimProvider::volumes() {
  return all_pages<NetworkVolume>(wire_, Priority::read, "/network-volumes", "volumes",
                                  runpod::parse_volume_page);
}

std::vector<BudgetWindow> SimProvider::budget() const {
  const MonoTime now = wire_->clock.now();
  std::vector<BudgetWindow> out;
  for (const auto& window : wire_->budget.windows(now)) {
    out.push_back(
        {window.name, window.limit, window.remaining, std::max(Duration{0}, window.resets_at - now)});
  }
  return out;
}

std::uint64_t SimProvider::requests() const {
  return wire_->requests;
}

}  // namespace gpuwarden::simulation
