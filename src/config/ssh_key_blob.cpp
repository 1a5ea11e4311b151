#include "ssh_key_blob.hpp"

#include <array>
#include <cstdint>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "text.hpp"

namespace gpuwarden::config {
namespace {

constexpr std::string_view kMakeOne = "Make a good one: ssh-keygen -t ed25519 -N '' -f gpuwarden_ed25519";

std::string fingerprint(std::string_view blob) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(blob.data(), blob.size(), digest.data(), &size, EVP_sha256(), nullptr);
  std::string text = base64_encode({reinterpret_cast<const char*>(digest.data()), size});
  while (text.ends_with('=')) text.pop_back();
  return "SHA256:" + text;
}

}  // namespace

bool take_field(std::string_view& rest, std::string_view& field) {
  if (rest.size() < 4) return false;
  std::uint32_t size = 0;
  for (int i = 0; i < 4; ++i)
    size = (size << 8U) | static_cast<unsigned char>(rest[static_cast<std::size_t>(i)]);
  if (rest.size() - 4 < size) return false;
  field = rest.substr(4, size);
  rest.remove_prefix(4 + static_cast<std::size_t>(size));
  return true;
}

std::string wire_field(std::string_view field) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>((field.size() >> static_cast<unsigned>(shift)) & 0xFFU));
  return out.append(field);
}

Result<SshKeyFacts> facts_of_blob(std::string_view blob) {
  std::string_view rest = blob, type;
  if (!take_field(rest, type))
    return fail(ErrorKind::invalid_input, "is damaged: its public part is cut short.");
  if (type == "ssh-rsa" || type == "ssh-dss")
    return fail(ErrorKind::invalid_input,
                fmt::format("is an {} key, and current SSH servers refuse the signatures that the daemon can "
                            "make with it. {}",
                            type == "ssh-rsa" ? "RSA" : "DSA", kMakeOne));
  if (type.starts_with("sk-"))
    return fail(ErrorKind::invalid_input,
                fmt::format("lives on a security token, which a daemon cannot touch. {}", kMakeOne));
  if (type != "ssh-ed25519" && !type.starts_with("ecdsa-sha2-nistp"))
    return fail(ErrorKind::invalid_input, fmt::format("has the unknown type {}. {}", quoted(type), kMakeOne));
  SshKeyFacts facts;
  facts.type = type;
  facts.public_line = fmt::format("{} {}", type, base64_encode(blob));
  facts.fingerprint = fingerprint(blob);
  return facts;
}

}  // namespace gpuwarden::config
