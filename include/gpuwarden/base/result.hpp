#pragma once

#include <string>
#include <utility>

#include <tl/expected.hpp>

#include "gpuwarden/base/error.hpp"

namespace gpuwarden {

/// A value or the reason why there is none.
template <class T>
using Result = tl::expected<T, Error>;

/// `return fail(ErrorKind::malformed, "no field 'id'");`
inline tl::unexpected<Error> fail(ErrorKind kind, std::string message) {
  Error error;
  error.kind = kind;
  error.message = std::move(message);
  return tl::unexpected<Error>(std::move(error));
}
inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace gpuwarden
