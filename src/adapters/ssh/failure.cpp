#include "failure.hpp"

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::ssh {
namespace {

ErrorKind kind_of(int code) {
  switch (code) {
    case LIBSSH2_ERROR_AUTHENTICATION_FAILED:
    case LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED:
      return ErrorKind::unauthorized;
    case LIBSSH2_ERROR_FILE:
    case LIBSSH2_ERROR_KEYFILE_AUTH_FAILED:
    case LIBSSH2_ERROR_METHOD_NONE:
      return ErrorKind::invalid_input;  // our own key
    case LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED:
    case LIBSSH2_ERROR_CHANNEL_FAILURE:
      return ErrorKind::refused;
    case LIBSSH2_ERROR_BAD_USE:
    case LIBSSH2_ERROR_INVAL:
    case LIBSSH2_ERROR_ALLOC:
      return ErrorKind::internal;
    default:
      return ErrorKind::unavailable;
  }
}

}  // namespace

Error failure_of(LIBSSH2_SESSION* session, int code, std::string_view doing) {
  char* text = nullptr;
  int length = 0;
  const bool said = libssh2_session_last_error(session, &text, &length, 0) == code && length > 0;
  Error error;
  error.kind = kind_of(code);
  error.code = fmt::format("libssh2 {}", code);
  error.message =
      fmt::format("{}: {}", doing,
                  said ? printable({text, static_cast<std::size_t>(length)}) : "failed without a reason");
  return error;
}

Error failure_of(Wake wake) {
  Error error;
  switch (wake) {
    case Wake::deadline:
      error.kind = ErrorKind::timeout;
      error.message = "no answer in time";
      break;
    case Wake::cancelled:
      error.kind = ErrorKind::cancelled;
      error.message = "cancelled";
      break;
    case Wake::aborted:
      error.kind = ErrorKind::cancelled;
      error.message = "the session was closed";
      break;
    case Wake::silent:
      error.kind = ErrorKind::unavailable;
      error.message = "the peer has gone silent";
      break;
    case Wake::ready:
    case Wake::ping_due:
      error.message = "woken for no reason";
      break;
  }
  return error;
}

}  // namespace gpuwarden::ssh
