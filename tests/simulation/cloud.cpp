#include "simulation/cloud.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "simulation/answers.hpp"
#include "simulation/container.hpp"

namespace gpuwarden::simulation {
namespace {

using nlohmann::json;

std::uint64_t number(std::string_view text, std::uint64_t otherwise) {
  std::uint64_t value = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// Empty = nothing to object to.
std::optional<http::Response> objection(const json& body, const Catalogue& catalogue) {
  const auto text = [](const json& object, const char* key) {
    const auto found = object.find(key);
    return found == object.end() || !found->is_string() ? std::string() : found->get<std::string>();
  };
  if (!body.is_object()) return problem(400, "request body is not valid JSON");
  if (text(body, "name").empty())
    return problem(422, "Request validation failed.", "$: missing property 'name'");
  if (!body.contains("image") && !body.contains("templateId"))
    return problem(422, "Request validation failed.", "$: missing property 'image'");
  if (!body.contains("gpu")) return problem(400, "exactly one of gpu or cpu must be set");
  if (!body.contains("disk"))
    return problem(400, "You must either provide a template id or pod configuration parameters");
  const std::string gpu = text(body.at("gpu"), "id");
  if (catalogue.gpu(gpu) == nullptr)
    return problem(400, fmt::format("gpu.id '{}' is not a known GPU type", gpu));
  const std::string volume_id = body.value(json::json_pointer("/mounts/network/0/volumeId"), "");
  if (volume_id.empty()) return std::nullopt;
  const Catalogue::Volume* volume = catalogue.volume(volume_id);
  if (volume == nullptr) return problem(400, fmt::format("network volume '{}' not found", volume_id));
  if (body.value(json::json_pointer("/dataCenterIds/0"), "") != volume->data_center)
    return problem(400, fmt::format("network volume '{}' is in data center {}: the pod must be placed there",
                                    volume_id, volume->data_center));
  return std::nullopt;
}

/// What fate answers to a create that the account's rules allow.
std::optional<http::Response> refusal(std::optional<FailureCause> cause) {
  if (cause == FailureCause::no_capacity) return problem(400, kNoCapacity);
  if (cause == FailureCause::insufficient_balance) return problem(402, kNoBalance);
  if (cause == FailureCause::unauthorized) return problem(401, "invalid bearer token");
  if (cause == FailureCause::invalid_request)
    return problem(422, "Request validation failed.", "$: additional properties 'gpuCount' not allowed");
  return std::nullopt;
}

}  // namespace

Cloud::Cloud(World world, Random random) : world_(std::move(world)), random_(random) {}

void Cloud::set_quota(long per_minute) {
  quota_.set_per_minute(per_minute);
}

void Cloud::block(Duration duration) {
  blocked_until_ = world_.now() + duration;
}

SimPodPtr Cloud::find(std::string_view id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

SimPodPtr Cloud::by_port(std::uint16_t port) const {
  const auto found = by_port_.find(port);
  const SimPodPtr pod = found == by_port_.end() ? nullptr : found->second.lock();
  return pod && pod->exists() && pod->ssh_port == port ? pod : nullptr;
}

double Cloud::cost() const {
  double sum = 0;
  for (const SimPodPtr& pod : pods_) {
    if (!pod->foreign) sum += pod->cost(world_.now());
  }
  return sum;
}

http::Response Cloud::handle(std::string_view method, std::string_view path, std::string_view body,
                             const std::string& caller) {
  const bool pods_own = caller == "self";
  if (!pods_own) ++requests_;
  if (weather.down) return problem(503, kServerError);
  if (!weather.key_accepted && !pods_own) return problem(401, "invalid bearer token");
  std::optional<Quota::Exceeded> exceeded;
  if (!pods_own) exceeded = quota_.spend(world_.now());
  if (blocked_until_ && world_.now() < *blocked_until_ && !pods_own) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(*blocked_until_ - world_.now());
    exceeded = Quota::Exceeded{"minute", static_cast<long>(left.count())};
  }
  http::Response response;
  if (exceeded) {
    world_.probes.reached("cloud: 429");
    response = problem(429, fmt::format("rate limit exceeded for the {} window", exceeded->window));
    response.headers.emplace_back("Retry-After", std::to_string(exceeded->retry_after_s));
  } else {
    response = route(method, path, body, caller);
  }
  response.headers.emplace_back("RateLimit", quota_.rate_limit(world_.now()));
  response.headers.emplace_back("RateLimit-Policy", quota_.policy());
  if (on_answer && !pods_own) on_answer(method, path, response);
  return response;
}

http::Response Cloud::route(std::string_view method, std::string_view path, std::string_view body,
                            const std::string& caller) {
  const std::size_t mark = path.find('?');
  const std::string_view query = mark == std::string_view::npos ? std::string_view() : path.substr(mark + 1);
  path = path.substr(0, mark);
  constexpr std::string_view kPod = "/pods/", kLogs = "/logs";
  if (path == "/pods" && method == "POST") return create(body, caller);
  if (method == "DELETE" && path.starts_with(kPod))
    return remove(std::string(path.substr(kPod.size())), caller);
  if (method != "GET") return problem(405, "The requested method is not allowed for this path.");
  if (path == "/pods") return list(query);
  if (path == "/catalog/gpus") return json_answer(200, catalogue_.gpus_json(weather.sold_out));
  if (path == "/catalog/datacenters") return json_answer(200, catalogue_.data_centers_json());
  if (path == "/network-volumes") return json_answer(200, catalogue_.volumes_json());
  if (!path.starts_with(kPod)) return problem(404, "resource not found");
  std::string id(path.substr(kPod.size()));
  if (id.ends_with(kLogs)) return logs(id.substr(0, id.size() - kLogs.size()), query);
  const SimPodPtr pod = find(id);
  if (!pod || !pod->visible(world_.now())) return problem(404, kPodNotFound);
  return json_answer(200, pod_json(*pod, world_.now(), kHost));
}

http::Response Cloud::create(std::string_view text, const std::string& caller) {
  const json body = json::parse(text, nullptr, false);
  if (auto refused = objection(body, catalogue_)) return *refused;
  ++posts_[body.at("name").get<std::string>()];
  if (!weather.balance) {
    world_.probes.reached("cloud: no balance");
    return problem(402, kNoBalance);
  }
  const std::string gpu = body.at("gpu").at("id");
  const auto wanted = body.value("dataCenterIds", std::vector<std::string>());
  std::string place;
  for (const Catalogue::DataCenter& center : catalogue_.data_centers) {
    const bool allowed = wanted.empty() || std::find(wanted.begin(), wanted.end(), center.id) != wanted.end();
    if (allowed && !is_sold_out(weather.sold_out, gpu, center.id)) {
      place = center.id;
      break;
    }
  }
  if (place.empty()) {
    world_.probes.reached("cloud: no capacity");
    return problem(400, kNoCapacity);
  }
  PodFate fate;
  if (world_.hooks.pod_fate) fate = world_.hooks.pod_fate(body);
  if (auto refused = refusal(fate.cause)) {
    world_.probes.reached(fmt::format("cloud: create refused, {}", to_string(*fate.cause)));
    return *refused;
  }
  const SimPodPtr pod = make(body, std::move(place), std::move(fate), caller);
  pod->create_body = text;
  live(pod);
  return json_answer(201, pod_json(*pod, world_.now(), kHost));
}

void Cloud::lost_create(std::string body, const std::string& caller) {
  if (!random_.chance(weather.late_create)) return;
  world_.scheduler.after(random_.between(Duration{1000}, weather.latest_create),
                         [this, body = std::move(body), caller] {
                           if (create(body, caller).status == 201)
                             world_.probes.reached("cloud: late create");
                         });
}

http::Response Cloud::list(std::string_view query) {
  if (weather.list_fails) {
    world_.probes.reached("cloud: list fails");
    return problem(500, kServerError);
  }
  const std::string cursor = query_value(query, "cursor");
  const std::uint64_t before = number(cursor, UINT64_MAX);
  if (!cursor.empty() && before == UINT64_MAX)
    return problem(422, "Request validation failed.", "cursor: not a valid cursor");
  if (!cursor.empty() && random_.chance(weather.page_fails)) {
    world_.probes.reached("cloud: page of the list fails");
    return problem(500, kServerError);
  }
  const std::size_t limit = std::min(number(query_value(query, "limit"), 20), weather.page_size);
  std::string pods;
  std::size_t count = 0;
  std::uint64_t last = 0;
  bool more = false;
  for (auto pod = existing_.rbegin(); pod != existing_.rend(); ++pod) {
    if ((*pod)->serial >= before) continue;
    if (!(*pod)->visible(world_.now())) {
      world_.probes.reached("cloud: pod missing from the list");
      continue;
    }
    if (count == limit) {
      more = true;
      break;
    }
    if (count++ > 0) pods += ',';
    pods += pod_json(**pod, world_.now(), kHost);
    last = (*pod)->serial;
  }
  if (more) world_.probes.reached("cloud: list of several pages");
  const std::string next = more ? fmt::format("\"{}\"", last) : "null";
  return json_answer(
      200, fmt::format("{{\"pods\":[{}],\"pagination\":{{\"nextCursor\":{},\"hasNextPage\":{}}}}}", pods,
                       next, more));
}

http::Response Cloud::remove(const std::string& id, const std::string& caller) {
  const SimPodPtr pod = find(id);
  if (!pod || !pod->exists()) return problem(404, kPodNotFound);
  const bool seen = pod->visible(world_.now());
  pod->delete_calls.push_back({world_.now(), caller, seen ? 204 : 404, pod->health()});
  if (!seen) {
    world_.probes.reached("cloud: 404 to the delete of a pod that exists");
    return problem(404, kPodNotFound);
  }
  if (pod->fate.undeletable) {
    world_.probes.reached("cloud: undeletable pod");
  } else if (pod->fate.delete_takes > Duration{0}) {
    world_.probes.reached("cloud: delete takes its time");
    world_.scheduler.after(pod->fate.delete_takes, [this, pod, caller] { end(pod, caller); });
  } else {
    end(pod, caller);
  }
  http::Response response;
  response.status = 204;
  return response;
}

http::Response Cloud::logs(const std::string& id, std::string_view query) {
  const SimPodPtr pod = find(id);
  if (!pod || !pod->visible(world_.now())) return problem(404, kPodNotFound);
  const std::string source = query_value(query, "source"), tail = query_value(query, "tail");
  const auto since = parse_time(query_value(query, "since"));
  std::vector<const SimPod::LogLine*> chosen;
  for (const SimPod::LogLine& line : pod->log) {
    if (!source.empty() && line.system != (source == "system")) continue;
    if (since && line.time <= *since) continue;
    chosen.push_back(&line);
  }
  std::size_t first = 0;
  if (!since) first = chosen.size() - std::min<std::size_t>(chosen.size(), number(tail, 100));
  http::Response response;
  response.status = 200;
  response.headers = {{"content-type", "text/event-stream"}};
  for (std::size_t at = first; at < chosen.size(); ++at) {
    const SimPod::LogLine& line = *chosen[at];
    const json data{{"source", line.system ? "system" : "container"},
                    {"line", line.text},
                    {"ts", format_time_ms(line.time)}};
    response.body += fmt::format("id: {}/{:012}\ndata: {}\n\n", format_time_ms(line.time), at,
                                 data.dump(-1, ' ', false, json::error_handler_t::replace));
  }
  return response;
}

}  // namespace gpuwarden::simulation
