#include "stage.hpp"

#include <array>
#include <string_view>
#include <utility>

#include "text.hpp"

namespace gpuwarden::diagnosis {
namespace {

constexpr std::array<std::pair<std::string_view, Stage>, 19> kStageNames{{
    {"intent", Stage::provision},    {"unknown", Stage::provision},   {"provisioning", Stage::provision},
    {"starting", Stage::provision},  {"provision", Stage::provision}, {"connecting", Stage::connect},
    {"connect", Stage::connect},     {"preflight", Stage::preflight}, {"fetch", Stage::fetch},
    {"setup", Stage::setup},         {"start", Stage::start},         {"awaiting_heartbeat", Stage::awaiting},
    {"idle", Stage::runtime},        {"busy", Stage::runtime},        {"active", Stage::runtime},
    {"running", Stage::runtime},     {"runtime", Stage::runtime},     {"draining", Stage::runtime},
    {"terminating", Stage::runtime},
}};

std::optional<Stage> named(std::string_view name) {
  for (const auto& [known, stage] : kStageNames) {
    if (known == name) return stage;
  }
  return std::nullopt;
}

bool has_tail(const Evidence& evidence, const char* source) {
  const auto found = evidence.tails.find(source);
  return found != evidence.tails.end() && !found->second.empty();
}

/// Last step that a status line of the bootstrap tail names.
std::optional<Stage> last_reported_step(const Evidence& evidence) {
  const auto tail = evidence.tails.find("bootstrap");
  if (tail == evidence.tails.end()) return std::nullopt;
  for (auto line = tail->second.rbegin(); line != tail->second.rend(); ++line) {
    if (line->find("@gpuwarden") == std::string::npos) continue;
    constexpr std::string_view kKey = "\"step\":\"";
    const std::size_t key = line->find(kKey);
    if (key == std::string::npos) continue;
    const std::size_t from = key + kKey.size();
    if (const auto stage = named(std::string_view(*line).substr(from, line->find('"', from) - from)))
      return stage;
  }
  return std::nullopt;
}

Stage guessed(const Evidence& evidence) {
  if (evidence.heartbeat_age_s) return Stage::runtime;
  const std::string service = evidence.api ? lower(evidence.api->service) : std::string();
  if (service == "runpod") return Stage::provision;
  if (service == "ssh") return Stage::connect;
  if (evidence.task && !evidence.task->id.empty()) return Stage::runtime;
  if (const auto step = last_reported_step(evidence)) return *step;
  const std::string status = evidence.pod ? lower(evidence.pod->status) : std::string();
  if (status == "provisioning" || status == "starting") return Stage::provision;
  const bool only_host = !has_tail(evidence, "worker") && !has_tail(evidence, "bootstrap");
  if (only_host && !evidence.exit_code && (has_tail(evidence, "system") || status == "error"))
    return Stage::provision;
  return Stage::unknown;
}

}  // namespace

Stage stage_of(const Evidence& evidence) {
  const std::string phase = lower(evidence.phase);
  const std::string step = lower(evidence.step);
  const std::size_t colon = phase.find(':');
  if (colon != std::string::npos) {
    if (const auto stage = named(std::string_view(phase).substr(colon + 1))) return *stage;
  }
  const std::string_view head = std::string_view(phase).substr(0, colon);
  const bool stepwise = head == "bootstrapping" || head == "bootstrap" || head == "collecting" ||
                        head == "deleting" || head == "error" || head == "spawning" || head.empty();
  if (stepwise) {
    if (const auto stage = named(step); stage && (head != "collecting" || !evidence.heartbeat_age_s))
      return *stage;
    if (head == "bootstrapping" || head == "bootstrap") {
      if (const auto stage = last_reported_step(evidence)) return *stage;
    }
  } else if (const auto stage = named(head)) {
    return *stage;
  }
  return guessed(evidence);
}

std::string_view stage_text(Stage stage) {
  switch (stage) {
    case Stage::provision:
      return "while the pod was being provided";
    case Stage::connect:
      return "before SSH answered";
    case Stage::preflight:
      return "in preflight";
    case Stage::fetch:
      return "during fetch";
    case Stage::setup:
      return "during setup";
    case Stage::start:
      return "at start";
    case Stage::awaiting:
      return "before the first heartbeat";
    case Stage::runtime:
      return "at run time";
    case Stage::unknown:
      return "";
  }
  return "";
}

}  // namespace gpuwarden::diagnosis
