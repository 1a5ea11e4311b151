#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

namespace gpuwarden::sandbox {

/// Which part of a list a request asks for. The list is ordered newest first by a serial number.
struct PageQuery {
  std::size_t limit{100};
  std::optional<std::uint64_t> before;  ///< only entries with a smaller serial number
};
/// The errors are those of a 422. Unknown parameters are ignored.
tl::expected<PageQuery, std::vector<std::string>> parse_page(
    const std::multimap<std::string, std::string>& query);

std::string encode_cursor(std::uint64_t serial);
std::optional<std::uint64_t> decode_cursor(std::string_view cursor);

}  // namespace gpuwarden::sandbox
