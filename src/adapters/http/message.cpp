#include <algorithm>
#include <cctype>
#include <charconv>
#include <chrono>

#include <curl/curl.h>

#include "gpuwarden/http/client.hpp"
#include "gpuwarden/http/server.hpp"

namespace gpuwarden::http {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
         });
}

std::optional<std::string_view> find_header(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (same_name(key, name)) return value;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> Response::header(std::string_view name) const {
  return find_header(headers, name);
}
std::optional<std::string_view> ServerRequest::header(std::string_view name) const {
  return find_header(headers, name);
}

bool Response::is_json() const {
  const auto type = header("content-type");
  if (!type) return false;
  std::string media(type->substr(0, type->find(';')));
  std::transform(media.begin(), media.end(), media.begin(), [](unsigned char c) { return std::tolower(c); });
  while (!media.empty() && media.back() == ' ') media.pop_back();
  return media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"));
}

std::optional<Duration> Response::retry_after(WallTime now) const {
  const auto value = header("retry-after");
  if (!value || value->empty()) return std::nullopt;
  constexpr std::chrono::seconds kLongest{86400};
  long seconds = 0;
  const auto [end, failure] = std::from_chars(value->data(), value->data() + value->size(), seconds);
  if (failure == std::errc() && end == value->data() + value->size()) {
    if (seconds < 0) return std::nullopt;
    return std::min<Duration>(std::chrono::seconds(std::min<long>(seconds, 86400)), kLongest);
  }
  const time_t date = curl_getdate(std::string(*value).c_str(), nullptr);
  if (date < 0) return std::nullopt;
  const WallTime at{std::chrono::seconds(date)};
  return std::clamp<Duration>(at - now, Duration{0}, kLongest);
}

std::string url_encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.' || c == '~') {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kHex[byte >> 4U]);
      out.push_back(kHex[byte & 15U]);
    }
  }
  return out;
}

}  // namespace gpuwarden::http
