#include "host_key.hpp"

#include <algorithm>
#include <optional>

namespace gpuwarden::ssh {
namespace {

/// Cuts off a name list of RFC 4251: four bytes of length, then names.
std::optional<std::string_view> cut_name_list(std::string_view& bytes) {
  constexpr std::size_t kLengthBytes = 4;
  if (bytes.size() < kLengthBytes) return std::nullopt;
  std::size_t length = 0;
  for (const char c : bytes.substr(0, kLengthBytes)) length = (length << 8U) | static_cast<unsigned char>(c);
  bytes.remove_prefix(kLengthBytes);
  if (bytes.size() < length) return std::nullopt;
  const std::string_view names = bytes.substr(0, length);
  bytes.remove_prefix(length);
  return names;
}

std::string_view cut_name(std::string_view& names) {
  const std::string_view name = names.substr(0, names.find(','));
  names.remove_prefix(std::min(name.size() + 1, names.size()));
  return name;
}

}  // namespace

std::string_view offered_host_key_types(std::string_view greeting) {
  // Lines, of which "SSH-2.0-..." is the last, then a packet: length, padding length, type, 16 random bytes.
  while (!greeting.starts_with("SSH-")) {
    const std::size_t end = greeting.find('\n');
    if (end == std::string_view::npos) return {};
    greeting.remove_prefix(end + 1);
  }
  constexpr std::size_t kTypeAt = 5;
  constexpr std::size_t kListsAt = kTypeAt + 1 + 16;
  constexpr char kKexInit = 20;
  greeting.remove_prefix(std::min(greeting.find('\n'), greeting.size() - 1) + 1);
  if (greeting.size() < kListsAt || greeting[kTypeAt] != kKexInit) return {};
  greeting.remove_prefix(kListsAt);
  if (!cut_name_list(greeting)) return {};  // how keys are exchanged
  return cut_name_list(greeting).value_or("");
}

bool has_common_name(std::string_view some, std::string_view others) {
  while (!some.empty()) {
    const std::string_view name = cut_name(some);
    for (std::string_view rest = others; !rest.empty();) {
      if (cut_name(rest) == name) return true;
    }
  }
  return false;
}

std::string base64_without_padding(std::string_view bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned bits = 0;
  unsigned value = 0;
  for (const char c : bytes) {
    value = (value << 8U) | static_cast<unsigned char>(c);
    for (bits += 8; bits >= 6; bits -= 6) out += kDigits[(value >> (bits - 6)) & 63U];
    value &= (1U << bits) - 1;
  }
  if (bits > 0) out += kDigits[(value << (6 - bits)) & 63U];
  return out;
}

std::string host_key_fingerprint(LIBSSH2_SESSION* session) {
  constexpr std::size_t kSha256Bytes = 32;
  const char* hash = libssh2_hostkey_hash(session, LIBSSH2_HOSTKEY_HASH_SHA256);
  if (hash == nullptr) return {};
  return "SHA256:" + base64_without_padding({hash, kSha256Bytes});
}

bool is_pinned(const std::vector<std::string>& pins, std::string_view fingerprint) {
  if (fingerprint.empty()) return false;
  return pins.empty() || std::any_of(pins.begin(), pins.end(), [&](std::string_view pin) {
           while (pin.ends_with('=')) pin.remove_suffix(1);
           return pin == fingerprint;
         });
}

}  // namespace gpuwarden::ssh
