#include "gpuwarden/base/redact.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <utility>

namespace gpuwarden {
namespace {

constexpr std::string_view kMark = "[redacted]";
constexpr std::size_t kShortestSecret = 8;

bool is_token_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.' || c == '+' ||
         c == '/' || c == '=';
}

std::size_t token_end(std::string_view text, std::size_t from) {
  while (from < text.size() && is_token_char(text[from])) ++from;
  return from;
}

/// A credential is recognised by its prefix and at least `min_length` further token characters.
struct Shape {
  std::string_view prefix;
  std::size_t min_length;
};
constexpr std::array kShapes{
    Shape{"sb_secret_", 8}, Shape{"rpa_", 16},        Shape{"eyJ", 24}, Shape{"ghp_", 16},
    Shape{"gho_", 16},      Shape{"github_pat_", 16}, Shape{"hf_", 16}, Shape{"sk-", 20},
};

/// End of a credential that starts at `at`, or `at` when none does.
std::size_t shape_end(std::string_view text, std::size_t at) {
  if (at > 0 && (std::isalnum(static_cast<unsigned char>(text[at - 1])) != 0 || text[at - 1] == '_'))
    return at;
  for (const Shape& shape : kShapes) {
    if (!text.substr(at).starts_with(shape.prefix)) continue;
    const std::size_t end = token_end(text, at + shape.prefix.size());
    if (end - at - shape.prefix.size() >= shape.min_length) return end;
  }
  return at;
}

/// `Bearer <token>`: position of the token and its end.
bool bearer_at(std::string_view text, std::size_t at, std::size_t& token, std::size_t& end) {
  constexpr std::string_view kBearer = "bearer ";
  if (text.size() - at < kBearer.size()) return false;
  for (std::size_t i = 0; i < kBearer.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(text[at + i])) != kBearer[i]) return false;
  }
  token = at + kBearer.size();
  end = token_end(text, token);
  return end - token >= kShortestSecret;
}

/// `://user:password@host`: the password.
bool url_password_at(std::string_view text, std::size_t at, std::size_t& from, std::size_t& end) {
  if (!text.substr(at).starts_with("://")) return false;
  const std::size_t stop = std::min(text.find_first_of(" \t\r\n/\"'<>", at + 3), text.size());
  const std::string_view authority = text.substr(at + 3, stop - at - 3);
  const std::size_t sign = authority.rfind('@');
  if (sign == std::string_view::npos) return false;
  const std::size_t colon = authority.find(':');
  from = at + 3 + (colon < sign ? colon + 1 : 0);
  end = at + 3 + sign;
  return end > from;
}

std::string redact_private_keys(std::string_view text) {
  std::string out;
  std::size_t at = 0;
  while (true) {
    const std::size_t begin = text.find("-----BEGIN ", at);
    if (begin == std::string_view::npos) break;
    const std::size_t header_end = text.find("-----", begin + 11);
    if (header_end == std::string_view::npos) break;
    if (text.substr(begin, header_end - begin).find("PRIVATE KEY") == std::string_view::npos) {
      out.append(text.substr(at, header_end + 5 - at));
      at = header_end + 5;
      continue;
    }
    out.append(text.substr(at, begin - at)).append(kMark);
    const std::size_t footer = text.find("-----END ", header_end);
    if (footer == std::string_view::npos) return out;
    const std::size_t close = text.find("-----", footer + 9);
    at = close == std::string_view::npos ? text.size() : close + 5;
  }
  return out.append(text.substr(std::min(at, text.size())));
}

}  // namespace

std::string redact_shapes(std::string_view input) {
  const std::string text = redact_private_keys(input);
  const std::string_view view = text;
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < view.size();) {
    std::size_t from = 0;
    std::size_t end = 0;
    if (const std::size_t shape = shape_end(view, at); shape != at) {
      out.append(kMark);
      at = shape;
    } else if (bearer_at(view, at, from, end) || url_password_at(view, at, from, end)) {
      out.append(view.substr(at, from - at)).append(kMark);
      at = end;
    } else {
      out.push_back(view[at++]);
    }
  }
  return out;
}

void Redactor::add(std::string_view secret) {
  if (secret.size() < kShortestSecret) return;
  if (std::find(secrets_.begin(), secrets_.end(), secret) != secrets_.end()) return;
  secrets_.emplace_back(secret);
}

std::string Redactor::redact(std::string_view text) const {
  // Places are found in the text as it came and merged: secrets may overlap, or be part of the mark itself.
  std::vector<std::pair<std::size_t, std::size_t>> places;
  for (const std::string& secret : secrets_) {
    for (std::size_t at = text.find(secret); at != std::string_view::npos; at = text.find(secret, at + 1)) {
      places.emplace_back(at, at + secret.size());
    }
  }
  std::sort(places.begin(), places.end());
  std::string known;
  known.reserve(text.size());
  std::size_t done = 0;
  for (const auto& [from, end] : places) {
    if (from >= done) known.append(text.substr(done, from - done)).append(kMark);
    done = std::max(done, end);
  }
  return redact_shapes(known.append(text.substr(done)));
}

}  // namespace gpuwarden
