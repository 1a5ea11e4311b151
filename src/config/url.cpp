#include "url.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "text.hpp"

namespace gpuwarden::config {
namespace {

struct Authority {
  std::string_view host, port;
};

/// Splits "host:port" and "[v6]:port"; none when it is neither.
std::optional<Authority> split_authority(std::string_view text) {
  Authority parts;
  std::size_t end = 0;
  if (text.starts_with('[')) {
    end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    parts.host = text.substr(1, end - 1);
    ++end;
  } else {
    end = std::min(text.find(':'), text.size());
    parts.host = text.substr(0, end);
  }
  if (end < text.size()) {
    if (text[end] != ':') return std::nullopt;
    parts.port = text.substr(end + 1);
    if (parts.port.empty()) return std::nullopt;
  }
  return parts;
}

bool is_port(std::string_view text) {
  if (text.empty() || text.size() > 5) return false;
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + (c - '0');
  }
  return value >= 1 && value <= 65535;
}

bool is_host(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_' || c == ':';
  });
}

}  // namespace

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

Result<std::string> checked_url(std::string_view text, UrlRules rules) {
  const auto bad = [](std::string message) { return fail(ErrorKind::invalid_input, std::move(message)); };
  const auto mark = text.find("://");
  const std::string scheme = lower(text.substr(0, std::min(mark, text.size())));
  if (mark == std::string_view::npos || (scheme != "https" && scheme != "http"))
    return bad("must begin with https://");
  std::string_view rest = text.substr(mark + 3);
  if (rest.find_first_of(" \t\r\n\"<>\\") != std::string_view::npos)
    return bad("must not contain blanks or quotes");
  const auto authority_end = std::min(rest.find_first_of("/?#"), rest.size());
  const std::string_view authority = rest.substr(0, authority_end);
  std::string_view path = rest.substr(authority_end);
  if (authority.find('@') != std::string_view::npos) return bad("must not contain a user name or password");
  const auto parts = split_authority(authority);
  if (!parts || !is_host(parts->host) || (!parts->port.empty() && !is_port(parts->port)))
    return bad("names no valid host and port");
  if (path.find('#') != std::string_view::npos) return bad("must not contain a fragment (#...)");
  if (!rules.query_allowed && path.find('?') != std::string_view::npos)
    return bad("must not contain a query (?...)");
  const std::string host = lower(parts->host);
  if (scheme == "http" && !is_loopback(host)) return bad("must begin with https:// (http only to loopback)");
  const std::string base = fmt::format("{}://{}", scheme, lower(authority));
  if (!rules.query_allowed) {
    while (path.ends_with('/')) path.remove_suffix(1);
  }
  if (!path.empty() && !rules.path_allowed)
    return bad(fmt::format("must not contain a path: use {} instead", base));
  return base + std::string(path);
}

}  // namespace gpuwarden::config
