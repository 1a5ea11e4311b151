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

/// Long enough and with a digit: what services make, not what people write.
bool looks_made(std::string_view text) {
  constexpr std::size_t kShortest = 16;
  return text.size() >= kShortest && text.find_first_of("0123456789") != std::string_view::npos;
}

/// A webhook's address is the key to it, and errors may quote its path alone. Short words in it stay, because
/// they may be words of every log line.
void teach_webhook(Redactor& redactor, std::string_view url) {
  redactor.add(url);
  const auto mark = url.find("://");
  const auto slash = mark == std::string_view::npos ? mark : url.find('/', mark + 3);
  std::string_view rest = url.substr(std::min(slash, url.size()));
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, rest.find_first_of("/?&="));
    if (looks_made(part)) redactor.add(part);
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
  }
}

}  // namespace

void teach(Redactor& redactor, const Config& config) {
  redactor.add(config.supabase.secret_key.reveal());
  redactor.add(config.supabase.publishable_key.reveal());
  redactor.add(config.runpod.api_key.reveal());
  teach_webhook(redactor, config.daemon.alert_webhook_url);
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
