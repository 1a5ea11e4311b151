#include "simulation/answers.hpp"

#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::simulation {

using nlohmann::json;

http::Response problem(int status, std::string_view detail, std::string_view error) {
  json body{
      {"title", status >= 500 ? "Internal Server Error" : "Refused"}, {"status", status}, {"detail", detail}};
  if (!error.empty()) body["errors"] = json::array({error});
  http::Response response;
  response.status = status;
  response.headers = {{"content-type", "application/problem+json"}};
  response.body = body.dump();
  return response;
}

http::Response json_answer(int status, std::string body) {
  http::Response response;
  response.status = status;
  response.headers = {{"content-type", "application/json"}};
  response.body = std::move(body);
  return response;
}

std::string fixed_pod_json(const SimPod& pod, std::string_view mounts, WallTime created_at) {
  const json fixed{{"id", pod.id},
                   {"name", pod.name},
                   {"image", pod.image},
                   {"args", ""},
                   {"ports", json::array({"22/tcp"})},
                   {"env", pod.env},
                   {"registry", nullptr},
                   {"mounts", json::parse(mounts)},
                   {"gpu", {{"id", pod.gpu}, {"count", 1}}},
                   {"cloud", pod.cloud},
                   {"dataCenterId", pod.data_center},
                   {"template", nullptr},
                   {"locked", false},
                   {"createdAt", format_time(created_at)}};
  std::string text = fixed.dump(-1, ' ', false, json::error_handler_t::replace);
  text.pop_back();
  return text;
}

std::string pod_json(const SimPod& pod, MonoTime now, std::string_view host) {
  std::string text = pod.fixed_json;
  const bool billed = pod.state != PodStatus::exited;
  text += fmt::format(",\"status\":\"{}\",\"cost\":{}", to_string(pod.state), billed ? pod.cost_per_hr : 0.0);
  if (pod.state != PodStatus::running || !pod.running_since) {
    return text + ",\"ssh\":{\"proxy\":null,\"direct\":null},\"runtime\":null}";
  }
  const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(now - *pod.running_since).count();
  text += fmt::format(
      ",\"ssh\":{{\"proxy\":null,\"direct\":{{\"host\":\"{0}\",\"port\":{1},\"username\":\"root\"}}}},"
      "\"runtime\":{{\"uptime\":{2},\"ports\":[{{\"private\":22,\"public\":{1},\"type\":\"tcp\",\"ip\":\"{0}"
      "\"}}]}}}}",
      host, pod.ssh_port, uptime);
  return text;
}

std::string query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view part = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(part.size() + 1, query.size()));
    const std::size_t equals = part.find('=');
    if (part.substr(0, equals) != name || equals == std::string_view::npos) continue;
    std::string value;
    constexpr int kHex = 16;
    for (std::size_t at = equals + 1; at < part.size(); ++at) {
      unsigned code = 0;
      if (part[at] == '%' && at + 2 < part.size() &&
          std::from_chars(part.data() + at + 1, part.data() + at + 3, code, kHex).ec == std::errc()) {
        value.push_back(static_cast<char>(code));
        at += 2;
      } else {
        value.push_back(part[at]);
      }
    }
    return value;
  }
  return {};
}

}  // namespace gpuwarden::simulation
