#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/base/redact.hpp"
#include "gpuwarden/supabase/codec.hpp"

namespace gpuwarden::supabase {
namespace {

using nlohmann::json;

constexpr std::string_view kMigrate =
    "migrations are missing or the API has not seen them yet: apply `gpuwarden migrate --print`";

/// What the body says, from PostgREST's {code, message, details, hint} or a gateway's {message} / {error}.
struct Said {
  std::string code, message;
};

std::string text_of(const json& doc, const char* key) {
  const auto found = doc.find(key);
  return found != doc.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Said read_body(const http::Response& response) {
  Said said;
  const json doc = response.is_json() ? json::parse(response.body, nullptr, false) : json();
  if (doc.is_object()) {
    said.code = text_of(doc, "code");
    for (const char* key : {"message", "error_description", "msg", "error", "details"}) {
      if (said.message.empty()) said.message = text_of(doc, key);
    }
  }
  if (said.code.empty()) said.code = std::string(response.header("sb-error-code").value_or(""));
  said.code = ellipsize(printable(said.code), 40);
  said.message = ellipsize(printable(redact_shapes(said.message)), 300);
  return said;
}

/// A rule for service codes that start with `prefix`; the first that fits is taken.
struct CodeRule {
  std::string_view prefix;
  ErrorKind kind;           ///< for a write that may have taken effect, see `may_have_run`
  bool may_have_run;        ///< the connection to the database broke while the statement may have run
  std::string_view remedy;  ///< put after the message; may be empty
};

constexpr std::array<CodeRule, 35> kCodeRules{{
    {"PGRST000", ErrorKind::unavailable, false, ""},
    {"PGRST001", ErrorKind::unavailable, true, ""},
    {"PGRST002", ErrorKind::unavailable, false, ""},
    {"PGRST003", ErrorKind::unavailable, false, "all database connections are in use"},
    {"PGRST202", ErrorKind::invalid_input, false, kMigrate},
    {"PGRST204", ErrorKind::invalid_input, false, kMigrate},
    {"PGRST205", ErrorKind::invalid_input, false, kMigrate},
    {"PGRST30", ErrorKind::unauthorized, false, "set a valid SUPABASE_SECRET_KEY"},
    {"PGRST", ErrorKind::invalid_input, false, ""},
    {"42501", ErrorKind::unauthorized, false, "the key's role lacks a grant: is it the secret key?"},
    {"42P01", ErrorKind::invalid_input, false, kMigrate},
    {"42883", ErrorKind::invalid_input, false, kMigrate},
    {"42703", ErrorKind::invalid_input, false, kMigrate},
    {"57014", ErrorKind::timeout, false, "the statement was cancelled and rolled back"},
    {"57P01", ErrorKind::unavailable, true, ""},
    {"57P", ErrorKind::unavailable, false, ""},
    {"40001", ErrorKind::unavailable, false, ""},
    {"40P01", ErrorKind::unavailable, false, ""},
    {"25006", ErrorKind::unavailable, false, "the database answers reads only"},
    {"53", ErrorKind::unavailable, false, ""},
    {"08", ErrorKind::unavailable, true, ""},
    {"58", ErrorKind::unavailable, false, ""},
    {"XX", ErrorKind::unavailable, false, ""},
    {"PT401", ErrorKind::unauthorized, false, ""},
    {"PT404", ErrorKind::not_found, false, ""},
    {"PT409", ErrorKind::conflict, false, ""},
    {"PT", ErrorKind::refused, false, ""},
    {"23", ErrorKind::conflict, false, ""},
    {"22", ErrorKind::invalid_input, false, ""},
    {"42", ErrorKind::invalid_input, false, ""},
    {"28", ErrorKind::unauthorized, false, ""},
    {"P0", ErrorKind::refused, false, ""},
    {"55P03", ErrorKind::unavailable, false, "another transaction holds a row that this one needs"},
    {"55", ErrorKind::conflict, false, ""},
    {"0A", ErrorKind::refused, false, ""},
}};

const CodeRule* rule_of(std::string_view code) {
  const auto found = std::find_if(kCodeRules.begin(), kCodeRules.end(),
                                  [&](const CodeRule& rule) { return code.starts_with(rule.prefix); });
  return found == kCodeRules.end() ? nullptr : &*found;
}

/// What a status means that came without a code we know: from the gateway or the platform.
struct StatusMeaning {
  ErrorKind kind;
  std::string_view words;
};

StatusMeaning meaning_of(int status) {
  switch (status) {
    case 401:
      return {ErrorKind::unauthorized, "the key is not accepted: set a valid SUPABASE_SECRET_KEY"};
    case 402:
      return {ErrorKind::refused,
              "the project is restricted (quota exceeded or payment overdue): see its billing page"};
    case 403:
      return {ErrorKind::unauthorized, "access denied by the gateway"};
    case 404:
      return {ErrorKind::not_found, "nothing at this address: check SUPABASE_URL"};
    case 409:
      return {ErrorKind::conflict, "conflict"};
    case 414:
    case 413:
      return {ErrorKind::invalid_input, "the request is too large"};
    case 408:
      return {ErrorKind::timeout, "the gateway gave up waiting for the request"};
    case 429:
      return {ErrorKind::rate_limited, "too many requests"};
    case 520:
    case 521:
    case 522:
    case 523:
    case 524:
    case 544:
      return {ErrorKind::unavailable, "the gateway got no answer from the project"};
    case 540:
      return {ErrorKind::refused, "project paused: restore it in the Supabase dashboard"};
    default:
      break;
  }
  if (status >= 500) return {ErrorKind::unavailable, "the service failed"};
  if (status >= 400) return {ErrorKind::invalid_input, "the request was refused"};
  return {ErrorKind::malformed, "unexpected answer"};
}

std::optional<Duration> retry_after_of(const http::Response& response) {
  // PostgREST and the gateway send whole seconds; the date form would need a clock.
  const auto text = response.header("Retry-After");
  if (!text) return std::nullopt;
  long seconds = 0;
  const auto read = std::from_chars(text->data(), text->data() + text->size(), seconds);
  constexpr long kMost = 3600;
  if (read.ec != std::errc() || seconds < 0) return std::nullopt;
  return std::chrono::seconds(std::min(seconds, kMost));
}

bool is_jwt(std::string_view key) {
  return !key.starts_with("sb_") && std::count(key.begin(), key.end(), '.') == 2;
}

}  // namespace

http::Headers key_headers(const Secret& key) {
  http::Headers headers;
  headers.emplace_back("apikey", std::string(key.reveal()));
  if (is_jwt(key.reveal())) {
    headers.emplace_back("Authorization", fmt::format("Bearer {}", key.reveal()));
  }
  return headers;
}

Error error_of(const http::Response& response, Effect effect) {
  const Said said = read_body(response);
  Error error;
  error.http_status = response.status;
  error.code = said.code;
  error.retry_after = retry_after_of(response);
  bool may_have_run = false;
  std::string_view words;
  if (const CodeRule* rule = rule_of(said.code)) {
    error.kind = rule->kind;
    may_have_run = rule->may_have_run;
    words = rule->remedy;
  } else {
    const StatusMeaning meaning = meaning_of(response.status);
    error.kind = meaning.kind;
    words = meaning.words;
    may_have_run = response.status >= 500 && meaning.kind == ErrorKind::unavailable;
  }
  if (may_have_run && effect == Effect::write) error.kind = ErrorKind::ambiguous;
  error.message = fmt::format("HTTP {}", response.status);
  if (!said.code.empty()) error.message += fmt::format(" {}", said.code);
  if (!said.message.empty()) error.message += fmt::format(": {}", said.message);
  if (!words.empty()) error.message += fmt::format("{} {}", said.message.empty() ? ":" : ";", words);
  return error;
}

}  // namespace gpuwarden::supabase
