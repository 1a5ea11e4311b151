#pragma once

#include <string>
#include <string_view>

namespace gpuwarden::bootstrap {

/// One word of bash whatever the text holds: 'it'\''s'. NUL bytes, which no shell can carry, are dropped.
std::string shell_quoted(std::string_view text);

/// A value in a curl configuration file, with its quotes; line ends are dropped.
std::string curl_quoted(std::string_view text);

/// A name that bash can assign and export: no special variable of the shell, none of the scripts' own.
bool is_exportable(std::string_view name);

/// A repository URL whose credentials have been taken out (https and http only: in other schemes the user is
/// part of the address).
struct SplitUrl {
  std::string url, user, password;
};
SplitUrl split_credentials(std::string_view url);

}  // namespace gpuwarden::bootstrap
