#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "gpuwarden/config/nearest.hpp"

#include "checks.hpp"

namespace gpuwarden::config {
namespace {

constexpr std::array<std::string_view, 5> kPrefixes{"GPUWARDEN_", "RUNPOD_", "BREAKER_", "WORKER_",
                                                    "SUPABASE_"};

/// Names that Runpod, Supabase or a pod's own environment set; none of our business, no misspellings.
constexpr std::array<std::string_view, 34> kForeign{"RUNPOD_POD_ID",
                                                    "RUNPOD_POD_HOSTNAME",
                                                    "RUNPOD_PUBLIC_IP",
                                                    "RUNPOD_DC_ID",
                                                    "RUNPOD_GPU_COUNT",
                                                    "RUNPOD_GPU_NAME",
                                                    "RUNPOD_GPU_SIZE",
                                                    "RUNPOD_CPU_COUNT",
                                                    "RUNPOD_MEM_GB",
                                                    "RUNPOD_VOLUME_ID",
                                                    "RUNPOD_NETWORK_VOLUME_PATH",
                                                    "RUNPOD_ENDPOINT_ID",
                                                    "RUNPOD_ENDPOINT_SECRET",
                                                    "RUNPOD_AI_API_KEY",
                                                    "RUNPOD_PROJECT_ID",
                                                    "RUNPOD_DEBUG",
                                                    "RUNPOD_DEBUG_LEVEL",
                                                    "RUNPOD_LOG_LEVEL",
                                                    "RUNPOD_ALLOW_IP",
                                                    "RUNPOD_USERNAME",
                                                    "RUNPOD_PASSWORD",
                                                    "RUNPOD_JUPYTER_PASSWORD",
                                                    "RUNPOD_PING_INTERVAL",
                                                    "SUPABASE_ACCESS_TOKEN",
                                                    "SUPABASE_DB_URL",
                                                    "SUPABASE_DB_PASSWORD",
                                                    "SUPABASE_PROJECT_ID",
                                                    "SUPABASE_PROJECT_REF",
                                                    "SUPABASE_JWT_SECRET",
                                                    "SUPABASE_JWKS",
                                                    "SUPABASE_WORKDIR",
                                                    "SUPABASE_PROFILE",
                                                    "WORKER_ID",
                                                    "GPUWARDEN_WORKER_TOKEN"};
constexpr std::array<std::string_view, 6> kForeignPrefixes{"RUNPOD_TCP_PORT_", "RUNPOD_WEBHOOK_",
                                                           "RUNPOD_SECRET_",   "RUNPOD_REALTIME_",
                                                           "SUPABASE_AUTH_",   "SUPABASE_INTERNAL_"};

bool is_foreign(std::string_view name) {
  const auto starts = [&](std::string_view prefix) { return name.starts_with(prefix); };
  return std::find(kForeign.begin(), kForeign.end(), name) != kForeign.end() ||
         std::any_of(kForeignPrefixes.begin(), kForeignPrefixes.end(), starts);
}

}  // namespace

void check_unknown_names(const Draft& draft, const Source& source, Loaded& loaded) {
  std::vector<std::string> known;
  std::set<std::string> silent(draft.pass_env.begin(), draft.pass_env.end());
  for (const std::string& name : draft.pass_env) silent.insert(name + "_FILE");
  for (const Variable& variable : table()) {
    known.push_back(variable.name);
    known.insert(known.end(), variable.old_names.begin(), variable.old_names.end());
    if (!variable.secret) continue;
    silent.insert(variable.name + "_FILE");
    for (const std::string& old : variable.old_names) silent.insert(old + "_FILE");
  }
  silent.insert(known.begin(), known.end());

  constexpr std::size_t kLongEnough = 10;  // shorter foreign names resemble ours by chance
  constexpr std::size_t kTypos = 2;
  for (const auto& [name, value] : source.environment) {
    if (silent.contains(name) || is_foreign(name)) continue;
    const auto starts = [&name = name](std::string_view prefix) { return name.starts_with(prefix); };
    const auto like = nearest(name, known);
    if (std::any_of(kPrefixes.begin(), kPrefixes.end(), starts)) {
      loaded.warnings.push_back(
          {name, like ? fmt::format("is not known and has no effect. Did you mean {}?", *like)
                      : "is not known and has no effect."});
    } else if (like && like->size() >= kLongEnough && edit_distance(name, *like) <= kTypos) {
      loaded.warnings.push_back({name, fmt::format("is not known. Did you mean {}?", *like)});
    }
  }
}

}  // namespace gpuwarden::config
