#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/base/redact.hpp"

#include "transfer.hpp"

namespace gpuwarden::http {
namespace {

ErrorKind kind_of(const Transfer& transfer, CURLcode code) {
  if (transfer.too_long() || transfer.head_too_long()) return ErrorKind::malformed;
  if (!transfer.begun()) {
    const bool unusable = code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL ||
                          code == CURLE_BAD_FUNCTION_ARGUMENT;
    return unusable ? ErrorKind::invalid_input : ErrorKind::unavailable;
  }
  return code == CURLE_OPERATION_TIMEDOUT ? ErrorKind::timeout : ErrorKind::ambiguous;
}

std::string text_of(const Transfer& transfer, CURLcode code) {
  if (transfer.too_long()) {
    return fmt::format("the answer is longer than {} bytes", transfer.request().max_body);
  }
  if (transfer.head_too_long()) return "the headers of the answer have no end";
  if (transfer.not_resent()) return "the connection ended before an answer came";
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return transfer.begun()
               ? fmt::format("no complete answer within {}", format_duration(transfer.request().timeout))
               : "no connection in time";
  }
  const std::string_view detail = transfer.curl_message();
  return redact_shapes(printable(detail.empty() ? curl_easy_strerror(code) : detail));
}

}  // namespace

Error failure_of(const Transfer& transfer, CURLcode code) {
  Error error;
  error.kind = kind_of(transfer, code);
  error.message = fmt::format("{} {}{}: {}", transfer.request().method, transfer.url().host,
                              printable(transfer.url().path), text_of(transfer, code));
  return error;
}

}  // namespace gpuwarden::http
