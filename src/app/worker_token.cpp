#include "gpuwarden/app/worker_token.hpp"

#include <array>
#include <cstdlib>

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

namespace gpuwarden::app {
namespace {

template <std::size_t N>
std::string hex(const std::array<unsigned char, N>& bytes) {
  std::string text;
  text.reserve(2 * N);
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace

std::string sha256_hex(std::string_view text) {
  std::array<unsigned char, 32> digest{};
  unsigned length = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha256(), nullptr) != 1) std::abort();
  return hex(digest);
}

control::WorkerToken make_worker_token() {
  std::array<unsigned char, 32> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) std::abort();
  std::string token = hex(bytes);
  std::string digest = sha256_hex(token);
  return {Secret(std::move(token)), std::move(digest)};
}

}  // namespace gpuwarden::app
