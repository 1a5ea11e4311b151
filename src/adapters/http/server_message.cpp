#include "server_message.hpp"

#include <algorithm>
#include <utility>

#include <boost/beast/core/string.hpp>
#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::http {
namespace {

namespace beast = boost::beast;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_blank) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_blank) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
      if (low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

std::optional<std::multimap<std::string, std::string>> parse_query(std::string_view text) {
  std::multimap<std::string, std::string> query;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    auto name = percent_decode(pair.substr(0, equals), true);
    auto value =
        percent_decode(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
    if (!name || !value) return std::nullopt;
    query.emplace(std::move(*name), std::move(*value));
  }
  return query;
}

/// Origin form of a target: "http://host/path" (as sent to a proxy) becomes "/path".
std::string_view origin_form(std::string_view target) {
  const std::size_t scheme = target.find("://");
  if (scheme == std::string_view::npos || target.starts_with('/')) return target;
  const std::size_t slash = target.find('/', scheme + 3);
  return slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
}

bool is_one_line(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

}  // namespace

std::optional<ServerRequest> to_request(beast::http::request<beast::http::string_body>&& message) {
  ServerRequest request;
  const auto text = [](beast::string_view view) { return std::string(view.data(), view.size()); };
  request.method = text(message.method_string());
  request.target = text(message.target());
  const std::string_view target = origin_form(request.target);
  const std::size_t question = target.find('?');
  auto path = percent_decode(target.substr(0, question), false);
  auto query =
      parse_query(question == std::string_view::npos ? std::string_view() : target.substr(question + 1));
  if (!path || !query || path->find('\0') != std::string::npos) return std::nullopt;
  if (!path->starts_with('/') && *path != "*") return std::nullopt;
  request.path = std::move(*path);
  request.query = std::move(*query);
  for (const auto& field : message) {
    request.headers.emplace_back(text(field.name_string()), text(field.value()));
  }
  request.body = std::move(message.body());
  return request;
}

beast::http::response<beast::http::string_body> to_message(const ServerResponse& response, unsigned version,
                                                           bool keep_alive) {
  const int status = response.status >= 200 && response.status <= 999 ? response.status : 500;
  beast::http::response<beast::http::string_body> message(
      static_cast<beast::http::status>(static_cast<unsigned>(status)), version);
  for (const auto& [name, value] : response.headers) {
    const bool framing = beast::iequals(name, "content-length") ||
                         beast::iequals(name, "transfer-encoding") || beast::iequals(name, "connection");
    if (!framing && !name.empty() && is_one_line(name) && is_one_line(value)) message.insert(name, value);
  }
  if (message.find(beast::http::field::content_type) == message.end() && status != 204 && status != 304) {
    message.set(beast::http::field::content_type, "application/json");
  }
  message.keep_alive(keep_alive);
  return message;
}

ServerResponse error_answer(int status, std::string_view text) {
  std::string escaped;
  for (const char c : printable(text)) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c == '\t' ? ' ' : c;
  }
  ServerResponse response;
  response.status = status;
  response.body = fmt::format(R"({{"error":"{}"}})", escaped);
  return response;
}

}  // namespace gpuwarden::http
