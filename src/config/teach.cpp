#include "gpuwarden/config/config.hpp"

#include "text.hpp"

namespace gpuwarden::config {
namespace {

/// Password of "scheme://user:password@host", or the user name where that is all (a token).
std::string_view url_password(std::string_view url) {
  const auto mark = url.find("://");
  if (mark == std::string_view::npos) return {};
  const std::string_view rest = url.substr(mark + 3);
  const std::string_view authority = rest.substr(0, rest.find('/'));
  const auto at = authority.rfind('@');
  if (at == std::string_view::npos) return {};
  const std::string_view user = authority.substr(0, at);
  const auto colon = user.find(':');
  return colon == std::string_view::npos ? user : user.substr(colon + 1);
}

}  // namespace

void teach(Redactor& redactor, const Config& config) {
  redactor.add(config.supabase.secret_key.reveal());
  redactor.add(config.supabase.publishable_key.reveal());
  redactor.add(config.runpod.api_key.reveal());
  redactor.add(config.daemon.alert_webhook_url);
  redactor.add(url_password(config.bootstrap.repo_url));
  for (const auto& [name, value] : config.bootstrap.pass_env) redactor.add(trimmed(value));
  // Line by line, so that a part of the key that somebody quotes is hidden as well.
  std::string_view key = config.ssh.private_key.reveal();
  redactor.add(trimmed(key));
  while (!key.empty()) {
    const auto end = std::min(key.find('\n'), key.size());
    const std::string_view line = trimmed(key.substr(0, end));
    if (!line.starts_with("-----")) redactor.add(line);
    key = end == key.size() ? std::string_view{} : key.substr(end + 1);
  }
}

}  // namespace gpuwarden::config
