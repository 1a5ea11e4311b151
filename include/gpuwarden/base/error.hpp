#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace gpuwarden {

/// What went wrong, coarse enough to act on. Details are in Error::message.
enum class ErrorKind {
  invalid_input,  ///< the caller or operator gave something unusable
  unauthorized,   ///< the service refused our credentials; retrying does not help
  not_found,      ///< the thing named does not exist or is not visible to us
  conflict,       ///< a compare-and-swap was lost, or the state forbids the action
  rate_limited,   ///< the service asked us to wait; see Error::retry_after
  unavailable,    ///< the service could not be reached or said it cannot serve; nothing was done
  ambiguous,      ///< the request may or may not have taken effect
  timeout,        ///< our own deadline passed; for writes treat as ambiguous
  malformed,      ///< an answer that we cannot parse: an error of the answer, never of what it speaks of
  refused,        ///< the service understood and refused for a reason in the message (a rule, a limit, money)
  cancelled,      ///< we gave it up ourselves
  internal        ///< an invariant of ours does not hold
};

std::string_view to_string(ErrorKind kind);

/// An expected failure as a value: a kind to act on, one line for people, and what the service said.
struct Error {
  ErrorKind kind{ErrorKind::internal};
  std::string message;  ///< one line; outermost context first, no secrets
  int http_status{0};   ///< 0 when there was no HTTP answer
  std::string code;     ///< service's own code (PGRST003, 42501, ...), may be empty
  std::optional<std::chrono::milliseconds> retry_after{};  ///< what the service asked for

  /// Same error with "what: " put before the message.
  Error within(std::string_view what) const;
};

/// True when the same request may be sent again without harm and could succeed.
bool is_transient(const Error& error);

}  // namespace gpuwarden
