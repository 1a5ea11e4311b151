#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <sys/types.h>

#include "gpuwarden/base/result.hpp"

namespace gpuwarden::sandbox {

/// Directory of initdb and postgres, version 15 or newer. Errors: unavailable.
Result<std::string> postgres_programs();

/// The user that a server must run as, because PostgreSQL refuses root; nullopt = as we are.
struct ServerUser {
  std::string name;
  unsigned uid{0}, gid{0};
};
std::optional<ServerUser> server_user();

/// Puts what changes to `user` before a command; the process is killed when its parent ends.
std::vector<std::string> as_user(const std::optional<ServerUser>& user, std::vector<std::string> argv);

/// A directory that `user` can use: `wanted`, or one of its own below the temporary directory when `wanted`
/// lies where that user may not go. It is made and handed over. `wanted` remembers the other one: the next
/// call removes what a killed server left there. Errors: internal.
Result<std::string> server_directory(const std::string& wanted, const std::optional<ServerUser>& user);

/// A loopback port that was free a moment ago. Errors: internal.
Result<std::uint16_t> free_port();

/// Sets *child to 0 once that process has ended and is reaped.
void zero_when_ended(const boost::asio::any_io_executor& executor, const std::shared_ptr<pid_t>& child);

/// The last `lines` lines of a file; empty when there is none.
std::string last_lines(const std::string& path, int lines);

}  // namespace gpuwarden::sandbox
