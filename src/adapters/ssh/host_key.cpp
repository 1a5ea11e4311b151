#include "host_key.hpp"

#include <algorithm>

namespace gpuwarden::ssh {

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
