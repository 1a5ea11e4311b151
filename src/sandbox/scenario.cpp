#include "gpuwarden/sandbox/scenario.hpp"

#include <algorithm>
#include <charconv>
#include <span>

#include <fmt/format.h>

#include "gpuwarden/config/nearest.hpp"

namespace gpuwarden::sandbox {
namespace {

enum class Param { none, any, number, word };

constexpr std::string_view kCreateWords[]{"answer", "drop"};
constexpr std::string_view kSshWords[]{"port", "auth", "hostkey", "later"};
constexpr std::string_view kScriptWords[]{"setup", "fetch", "preflight"};
constexpr std::string_view kCrashWords[]{"argument", "later"};
constexpr std::string_view kOutageWords[]{"down", "unreadable", "unwritable"};

struct Entry {
  ScenarioKind kind;
  std::string_view name;
  std::string_view about;  ///< half a sentence for people
  Param param{Param::none};
  std::string_view fallback{};  ///< the parameter when none is given
  std::span<const std::string_view> words{};
};

constexpr Entry kEntries[]{
    {ScenarioKind::healthy, "healthy", "everything works"},
    {ScenarioKind::no_capacity, "no-capacity",
     "nothing is left to rent: everywhere, of one GPU, in one data centre", Param::any, "*"},
    // Slow enough to see it, and well within the sandbox's PROVISION_TIMEOUT_SEC.
    {ScenarioKind::slow_provisioning, "slow-provisioning",
     "pods take that many seconds until their container starts", Param::number, "20"},
    {ScenarioKind::create_500_but_created, "create-500-but-created",
     "a create fails (error 500, or no answer at all), yet the pod exists", Param::word, "answer",
     kCreateWords},
    {ScenarioKind::list_lag, "list-lag", "the list of pods is that many seconds behind", Param::number, "10"},
    {ScenarioKind::image_pull_failure, "image-pull-failure", "the image of new pods cannot be pulled"},
    {ScenarioKind::ssh_refused, "ssh-refused",
     "new pods: nobody listens, the key is not accepted, the log names another host key, or nobody listens "
     "any more after preflight",
     Param::word, "port", kSshWords},
    {ScenarioKind::script_failure, "script-failure",
     "on new pods setup fails, the repository is missing, or there is no GPU", Param::word, "setup",
     kScriptWords},
    {ScenarioKind::worker_crash, "worker-crash",
     "new workers get an argument that they do not know, or crash seconds later", Param::word, "argument",
     kCrashWords},
    {ScenarioKind::heartbeat_loss, "heartbeat-loss", "pods cannot reach the database, the daemon can"},
    {ScenarioKind::cut_off, "cut-off",
     "new pods lose SSH and the database after preflight, and their setup fails"},
    {ScenarioKind::supabase_outage, "supabase-outage",
     "the database is away, cannot be read, or cannot be written", Param::word, "down", kOutageWords},
    {ScenarioKind::rate_limit, "rate-limit", "Runpod answers only so many requests a minute", Param::number,
     "5"},
};

bool is_number(std::string_view text) {
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= 0;
}

const Entry& entry_of(ScenarioKind kind) {
  return *std::find_if(std::begin(kEntries), std::end(kEntries),
                       [&](const Entry& each) { return each.kind == kind; });
}

}  // namespace

Result<Scenario> parse_scenario(std::string_view text) {
  const auto colon = text.find(':');
  const auto name = text.substr(0, colon);
  const auto param = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  const auto entry = std::find_if(std::begin(kEntries), std::end(kEntries),
                                  [&](const Entry& each) { return each.name == name; });
  if (entry == std::end(kEntries)) {
    const auto like = config::nearest(name, scenario_names());
    return fail(ErrorKind::invalid_input, fmt::format("no scenario '{}'{}; there are: {}", name,
                                                      like ? fmt::format(" (did you mean '{}'?)", *like) : "",
                                                      fmt::join(scenario_names(), ", ")));
  }
  if (param.empty()) return Scenario{entry->kind, std::string(entry->fallback)};
  switch (entry->param) {
    case Param::none:
      return fail(ErrorKind::invalid_input, fmt::format("scenario '{}' takes no parameter", name));
    case Param::any:
      break;
    case Param::number:
      if (!is_number(param))
        return fail(ErrorKind::invalid_input,
                    fmt::format("scenario '{}' takes a number, not '{}'", name, param));
      break;
    case Param::word:
      if (std::find(entry->words.begin(), entry->words.end(), param) == entry->words.end())
        return fail(ErrorKind::invalid_input, fmt::format("scenario '{}' takes one of {}, not '{}'", name,
                                                          fmt::join(entry->words, ", "), param));
      break;
  }
  return Scenario{entry->kind, std::string(param)};
}

std::string to_string(const Scenario& scenario) {
  const auto& entry = entry_of(scenario.kind);
  if (scenario.param.empty() || scenario.param == entry.fallback) return std::string(entry.name);
  return fmt::format("{}:{}", entry.name, scenario.param);
}

std::vector<std::string> scenario_names() {
  std::vector<std::string> names;
  for (const auto& entry : kEntries) names.emplace_back(entry.name);
  return names;
}

std::string scenario_help() {
  std::string text;
  for (const auto& entry : kEntries) {
    std::string param;
    if (entry.param == Param::any) param = "[:GPU|:DATA-CENTRE]";
    if (entry.param == Param::number) param = fmt::format("[:{}]", entry.fallback);
    if (entry.param == Param::word) param = fmt::format("[:{}]", fmt::join(entry.words, "|:"));
    text += fmt::format("  {}{}\n      {}\n", entry.name, param, entry.about);
  }
  return text;
}

long param_number(const Scenario& scenario) {
  long value = 0;
  std::from_chars(scenario.param.data(), scenario.param.data() + scenario.param.size(), value);
  return value;
}

}  // namespace gpuwarden::sandbox
