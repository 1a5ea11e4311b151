#include "gpuwarden/domain/worker.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden {
namespace {

template <class Enum, std::size_t N>
using Names = std::array<std::pair<Enum, std::string_view>, N>;

template <class Enum, std::size_t N>
std::string_view name_of(const Names<Enum, N>& names, Enum value) {
  return names.at(static_cast<std::size_t>(value)).second;
}

template <class Enum, std::size_t N>
std::optional<Enum> value_of(const Names<Enum, N>& names, std::string_view text) {
  for (const auto& [value, name] : names) {
    if (name == text) return value;
  }
  return std::nullopt;
}

constexpr Names<WorkerStatus, 5> kStatuses{{{WorkerStatus::spawning, "spawning"},
                                            {WorkerStatus::active, "active"},
                                            {WorkerStatus::terminating, "terminating"},
                                            {WorkerStatus::error, "error"},
                                            {WorkerStatus::terminated, "terminated"}}};
constexpr Names<Phase, 13> kPhases{{{Phase::intent, "intent"},
                                    {Phase::unknown, "unknown"},
                                    {Phase::provisioning, "provisioning"},
                                    {Phase::starting, "starting"},
                                    {Phase::connecting, "connecting"},
                                    {Phase::bootstrapping, "bootstrapping"},
                                    {Phase::awaiting_heartbeat, "awaiting_heartbeat"},
                                    {Phase::idle, "idle"},
                                    {Phase::busy, "busy"},
                                    {Phase::draining, "draining"},
                                    {Phase::collecting, "collecting"},
                                    {Phase::deleting, "deleting"},
                                    {Phase::gone, "gone"}}};
constexpr Names<BootStep, 4> kSteps{{{BootStep::preflight, "preflight"},
                                     {BootStep::fetch, "fetch"},
                                     {BootStep::setup, "setup"},
                                     {BootStep::start, "start"}}};

constexpr std::size_t kStampDigits = 14;
constexpr std::size_t kRandomDigits = 8;

constexpr std::string_view kDoctor = "doctor-";

std::string name_prefix(std::string_view owner) {
  return fmt::format("gpu-{}-", owner);
}

std::string stamp_of(WallTime now) {
  std::string stamp;
  for (const char c : format_time(now)) {
    if (c >= '0' && c <= '9') stamp.push_back(c);
  }
  return stamp;
}

}  // namespace

std::string_view to_string(WorkerStatus status) {
  return name_of(kStatuses, status);
}
std::string_view to_string(Phase phase) {
  return name_of(kPhases, phase);
}
std::string_view to_string(BootStep step) {
  return name_of(kSteps, step);
}
std::string_view to_string(Cloud cloud) {
  return cloud == Cloud::secure ? "SECURE" : "COMMUNITY";
}

std::optional<WorkerStatus> parse_worker_status(std::string_view text) {
  return value_of(kStatuses, text);
}
std::optional<Phase> parse_phase(std::string_view text) {
  return value_of(kPhases, text.substr(0, text.find(':')));
}
std::optional<BootStep> parse_boot_step(std::string_view text) {
  return value_of(kSteps, text);
}
std::optional<Cloud> parse_cloud(std::string_view text) {
  if (text == "SECURE") return Cloud::secure;
  if (text == "COMMUNITY") return Cloud::community;
  return std::nullopt;
}

std::string phase_text(Phase phase, std::optional<BootStep> step) {
  if (phase == Phase::bootstrapping && step) return fmt::format("{}:{}", to_string(phase), to_string(*step));
  return std::string(to_string(phase));
}

std::string Placement::key() const {
  return fmt::format("{}|{}|{}|{}", gpu, data_center, volume_id, to_string(cloud));
}

bool is_capacity(const Worker& worker) {
  return worker.status == WorkerStatus::spawning || worker.status == WorkerStatus::active;
}

WorkerId make_worker_id(std::string_view owner, WallTime now, std::uint32_t random) {
  return WorkerId(fmt::format("{}{}-{:08x}", name_prefix(owner), stamp_of(now), random));
}

WorkerId make_doctor_name(std::string_view owner, WallTime now) {
  return WorkerId(fmt::format("{}{}{}", name_prefix(owner), kDoctor, stamp_of(now)));
}

bool is_doctor_name_of(std::string_view name, std::string_view owner) {
  const std::string head = name_prefix(owner) + std::string(kDoctor);
  if (!name.starts_with(head)) return false;
  const std::string_view stamp = name.substr(head.size());
  return stamp.size() == kStampDigits &&
         std::all_of(stamp.begin(), stamp.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_worker_name_of(std::string_view name, std::string_view owner) {
  const std::string prefix = name_prefix(owner);
  if (!name.starts_with(prefix)) return false;
  const std::string_view rest = name.substr(prefix.size());
  if (rest.size() != kStampDigits + 1 + kRandomDigits || rest[kStampDigits] != '-') return false;
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto hex = [&](char c) { return digit(c) || (c >= 'a' && c <= 'f'); };
  const std::string_view stamp = rest.substr(0, kStampDigits);
  const std::string_view random = rest.substr(kStampDigits + 1);
  return std::all_of(stamp.begin(), stamp.end(), digit) && std::all_of(random.begin(), random.end(), hex);
}

}  // namespace gpuwarden
