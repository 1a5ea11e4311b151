#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/base/redact.hpp"
#include "gpuwarden/runpod/codec.hpp"

#include "lenient_json.hpp"
#include "pod_json.hpp"

namespace gpuwarden::runpod {
namespace {

using nlohmann::json;

// Runpod answers 400 for a rule that we broke and for a candidate without a free machine; only these words
// tell them apart.
constexpr std::array<std::string_view, 5> kNoCapacity{
    "no longer any instances available", "no instances currently available",
    "does not have the resources to deploy your pod", "with enough disk space", "not enough free gpus"};
constexpr std::array<std::string_view, 3> kNoBalance{"balance is too low", "insufficient balance",
                                                     "insufficient funds"};
constexpr std::size_t kLongestDetail = 400;

template <std::size_t N>
bool contains_one_of(std::string_view text, const std::array<std::string_view, N>& words) {
  std::string lower;
  std::transform(text.begin(), text.end(), std::back_inserter(lower),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

/// What the service says about a refusal, in one line without secrets.
std::string detail_of(const http::Response& response) {
  std::string detail;
  const json doc = response.is_json() ? json::parse(response.body, nullptr, false) : json();
  if (doc.is_object()) {
    for (const char* key : {"detail", "title", "message", "error"}) {
      if (detail.empty()) detail = text_at(doc, key);
    }
    if (const json* errors = member(doc, "errors"); errors != nullptr && errors->is_array()) {
      for (const json& error : *errors) {
        if (error.is_string()) detail += (detail.empty() ? "" : " ") + error.get<std::string>();
      }
    }
  } else if (response.header("Content-Type").value_or("").starts_with("text/plain")) {
    detail = response.body.substr(0, kLongestDetail);
  }
  detail = ellipsize(printable(redact_shapes(detail)), kLongestDetail);
  if (detail.empty()) detail = fmt::format("HTTP {} without a readable reason", response.status);
  if (const auto id = response.header("x-request-id"); id && !id->empty()) {
    detail += fmt::format(" (request {})", ellipsize(printable(*id), 80));
  }
  return detail;
}

bool is_success(int status) {
  return status >= 200 && status <= 299;
}

/// Answers after which the request may still have been carried out.
bool leaves_doubt(int status) {
  return status >= 500 || status == 408 || status < 200;
}

}  // namespace

bool says_no_capacity(std::string_view detail) {
  return contains_one_of(detail, kNoCapacity);
}

bool says_no_balance(std::string_view detail) {
  return contains_one_of(detail, kNoBalance);
}

ports::CreateOutcome create_outcome(const http::Response& response, std::optional<Duration> retry_after) {
  const int status = response.status;
  if (is_success(status)) {
    const json doc = response.is_json() ? json::parse(response.body, nullptr, false) : json();
    Pod pod = read_pod(doc);
    if (!pod.id.empty()) return PodCreated{std::move(pod)};
    return CreateAmbiguous{status, "accepted, but the answer names no pod"};
  }
  std::string detail = detail_of(response);
  if (leaves_doubt(status)) return CreateAmbiguous{status, std::move(detail)};
  if (status == 429) return CreateRateLimited{retry_after, std::move(detail)};
  if (status == 402 || says_no_balance(detail)) return CreateNoBalance{std::move(detail)};
  if (status == 401 || status == 403) return CreateUnauthorized{status, std::move(detail)};
  if (status == 400 && says_no_capacity(detail)) return CreateNoCapacity{std::move(detail)};
  return CreateInvalid{status, std::move(detail)};
}

ports::CreateOutcome create_outcome(const Error& error) {
  if (error.kind == ErrorKind::unavailable) return CreateNotSent{error.message};
  // The client refuses such a request before it sends anything.
  if (error.kind == ErrorKind::invalid_input) return CreateInvalid{error.http_status, error.message};
  return CreateAmbiguous{error.http_status, error.message};
}

DeleteOutcome delete_outcome(const http::Response& response) {
  const int status = response.status;
  if (is_success(status)) return DeleteOutcome::accepted;
  if (status == 404 || status == 410) return DeleteOutcome::not_found;
  if (leaves_doubt(status)) return DeleteOutcome::ambiguous;
  if (status == 429) return DeleteOutcome::not_sent;
  return DeleteOutcome::refused;
}

DeleteOutcome delete_outcome(const Error& error) {
  const bool surely_not = error.kind == ErrorKind::unavailable || error.kind == ErrorKind::invalid_input;
  return surely_not ? DeleteOutcome::not_sent : DeleteOutcome::ambiguous;
}

Error error_of(const http::Response& response, std::optional<Duration> retry_after) {
  Error error;
  error.http_status = response.status;
  error.retry_after = retry_after;
  error.message = fmt::format("HTTP {}: {}", response.status, detail_of(response));
  switch (response.status) {
    case 401:
    case 403:
      error.kind = ErrorKind::unauthorized;
      break;
    case 402:
      error.kind = ErrorKind::refused;
      break;
    case 404:
      error.kind = ErrorKind::not_found;
      break;
    case 408:
      error.kind = ErrorKind::timeout;
      break;
    case 409:
      error.kind = ErrorKind::conflict;
      break;
    case 429:
      error.kind = ErrorKind::rate_limited;
      break;
    default:
      error.kind = response.status >= 500   ? ErrorKind::unavailable
                   : response.status >= 400 ? ErrorKind::invalid_input
                                            : ErrorKind::malformed;
  }
  return error;
}

}  // namespace gpuwarden::runpod
