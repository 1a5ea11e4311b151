#include "url.hpp"

#include <memory>
#include <string_view>

#include <curl/curl.h>

namespace gpuwarden::http {
namespace {

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

std::string part(CURLU* url, CURLUPart which) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, 0) != CURLUE_OK || text == nullptr) return {};
  std::string copy(text);
  curl_free(text);
  return copy;
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host.ends_with(".localhost") || host == "[::1]" || host.starts_with("127.");
}

}  // namespace

Result<UrlParts> parse_url(const std::string& url) {
  const std::unique_ptr<CURLU, FreeUrl> parsed(curl_url());
  if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) {
    return fail(ErrorKind::invalid_input, "not a URL");
  }
  const std::string scheme = part(parsed.get(), CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") {
    return fail(ErrorKind::invalid_input, "only http and https URLs are spoken");
  }
  UrlParts parts;
  parts.host = part(parsed.get(), CURLUPART_HOST);
  parts.loopback = is_loopback(parts.host);
  if (const std::string port = part(parsed.get(), CURLUPART_PORT); !port.empty()) parts.host += ":" + port;
  parts.path = part(parsed.get(), CURLUPART_PATH);
  parts.tls = scheme == "https";
  return parts;
}

}  // namespace gpuwarden::http
