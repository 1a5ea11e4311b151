#include "command.hpp"

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "table.hpp"

namespace gpuwarden::cli {

bool is_unreachable(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::unavailable:
    case ErrorKind::timeout:
    case ErrorKind::ambiguous:
    case ErrorKind::rate_limited:
      return true;
    case ErrorKind::invalid_input:
    case ErrorKind::unauthorized:
    case ErrorKind::not_found:
    case ErrorKind::conflict:
    case ErrorKind::malformed:
    case ErrorKind::refused:
    case ErrorKind::cancelled:
    case ErrorKind::internal:
      return false;
  }
  return false;
}

int exit_code(const Error& error) {
  return is_unreachable(error.kind) ? kUnreachable : kFailed;
}

int report_error(Output& output, const Error& error, std::string_view next) {
  if (output.json) {
    print_json(output,
               {{"error", {{"kind", to_string(error.kind)}, {"message", error.message}, {"next", next}}}});
  } else {
    output.err << paint("error:", Colour::red, output.err_colour) << " " << printable(error.message)
               << "\nNext: " << next << "\n";
  }
  return exit_code(error);
}

void print_json(Output& output, const Json& json) {
  output.out << json.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
}

Json time_or_null(const std::optional<WallTime>& time) {
  return time ? Json(format_time(*time)) : Json(nullptr);
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

double seconds(Duration duration) {
  return static_cast<double>(duration.count()) / 1000.0;
}

}  // namespace gpuwarden::cli
