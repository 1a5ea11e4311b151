#include "checkup.hpp"

#include <utility>

#include <fmt/format.h>

#include "gpuwarden/config/keys.hpp"

#include "problems.hpp"

namespace gpuwarden::cli {

Finding passed(std::string detail) {
  return {Finding::State::ok, std::move(detail), {}, false};
}
Finding warned(std::string detail, std::string remedy) {
  return {Finding::State::warning, std::move(detail), {std::move(remedy)}, false};
}
Finding failed(std::string detail, std::string remedy) {
  return {Finding::State::failed, std::move(detail), {std::move(remedy)}, false};
}
Finding skipped(std::string why) {
  return {Finding::State::skipped, std::move(why), {}, false};
}
Finding failed_call(const Error& error, std::string remedy) {
  Finding finding = failed(error.message, std::move(remedy));
  finding.unreachable = is_unreachable(error.kind);
  return finding;
}

Finding check_configuration(const Checkup& checkup) {
  const config::Loaded& loaded = checkup.scope.loaded;
  std::size_t given = 0;
  for (const config::Entry& entry : loaded.entries) given += entry.given ? 1 : 0;
  if (loaded.errors.empty() && loaded.warnings.empty())
    return passed(fmt::format("{} variables given, {} by default", given, loaded.entries.size() - given));
  Finding finding;
  finding.state = loaded.errors.empty() ? Finding::State::warning : Finding::State::failed;
  finding.detail = fmt::format("{}, {}", counted(loaded.errors.size(), "error"),
                               counted(loaded.warnings.size(), "warning"));
  for (const auto* problems : {&loaded.errors, &loaded.warnings}) {
    for (const config::Problem& problem : *problems)
      finding.remedy.push_back(problem.name + ": " + problem.message);
  }
  return finding;
}

Finding check_keys(const Checkup& checkup) {
  const config::SupabaseSettings& supabase = checkup.scope.config().supabase;
  return passed(fmt::format("{}; {}",
                            config::to_string(config::supabase_key_kind(supabase.secret_key.reveal())),
                            config::to_string(config::supabase_key_kind(supabase.publishable_key.reveal()))));
}

Finding check_ssh_key(const Checkup& checkup) {
  const config::SshSettings& ssh = checkup.scope.config().ssh;
  if (!ssh.problem.empty()) {
    const Advice parts = advice(ssh.problem, "gpuwarden config --check");
    return ssh.not_ours ? warned(parts.problem, parts.remedy) : failed(parts.problem, parts.remedy);
  }
  if (ssh.private_key.empty()) return passed(ssh.origin);
  const auto facts = config::inspect_ssh_key(ssh.private_key.reveal());
  if (!facts) return failed(facts.error().message, "gpuwarden config --explain");
  return passed(fmt::format("{} {} ({})", facts->type, facts->fingerprint, ssh.origin));
}

}  // namespace gpuwarden::cli
