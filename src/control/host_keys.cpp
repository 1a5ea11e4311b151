#include "gpuwarden/control/host_keys.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace gpuwarden::control {
namespace {

/// Of a line "<bits> SHA256:<43 base64> ..."; empty = the line is another.
std::string fingerprint_in(std::string_view line) {
  constexpr std::string_view kPrefix = "SHA256:", kDigits = "0123456789", kBlanks = " \t";
  constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  constexpr std::size_t kBase64Length = 43;  // 32 bytes without padding
  const auto skip = [&line](std::string_view characters) {
    const std::size_t length = std::min(line.find_first_not_of(characters), line.size());
    line.remove_prefix(length);
    return length;
  };
  skip(kBlanks);
  if (skip(kDigits) == 0 || skip(kBlanks) == 0 || !line.starts_with(kPrefix)) return "";
  const std::string_view key = line.substr(0, kPrefix.size() + kBase64Length);
  line.remove_prefix(kPrefix.size());
  if (skip(kBase64) != kBase64Length) return "";
  const bool ends = line.empty() || line.front() == ' ' || line.front() == '\t' || line.front() == '\r';
  return ends ? std::string(key) : "";
}

}  // namespace

std::vector<std::string> host_keys_in(const std::vector<PodLogLine>& lines) {
  std::vector<std::string> keys;
  for (const PodLogLine& entry : lines) {
    std::string key = fingerprint_in(entry.line);
    if (!key.empty()) keys.push_back(std::move(key));
  }
  return keys;
}

}  // namespace gpuwarden::control
