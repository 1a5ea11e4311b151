#pragma once

#include <string_view>

#include <libssh2.h>

#include "gpuwarden/base/error.hpp"

#include "connection.hpp"

namespace gpuwarden::ssh {

/// What libssh2 complains about, as a kind to act on. `doing`: "SSH handshake".
Error failure_of(LIBSSH2_SESSION* session, int code, std::string_view doing);
Error failure_of(Wake wake);

}  // namespace gpuwarden::ssh
