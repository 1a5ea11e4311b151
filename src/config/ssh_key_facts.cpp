#include <algorithm>

#include "gpuwarden/config/keys.hpp"

#include "ssh_key_blob.hpp"
#include "text.hpp"

namespace gpuwarden::config {
namespace {

constexpr std::string_view kPassphrase =
    "is protected by a passphrase, which the daemon cannot type. Take it off: ssh-keygen -p -N '' -f FILE";

tl::unexpected<Error> bad(std::string_view message) {
  return fail(ErrorKind::invalid_input, std::string(message));
}

/// Base64 text between the BEGIN and END lines.
Result<std::string> container(std::string_view key) {
  constexpr std::string_view kBegin = "-----BEGIN OPENSSH PRIVATE KEY-----";
  const auto begin = key.find(kBegin);
  const auto end = key.find("-----END OPENSSH PRIVATE KEY-----");
  if (end == std::string_view::npos)
    return bad("is cut short: its END line is missing. In an environment file write line breaks as \\n.");
  std::string body(key.substr(begin + kBegin.size(), end - begin - kBegin.size()));
  std::erase_if(body, [](char c) { return c == '\n' || c == '\r' || c == ' ' || c == '\t'; });
  auto bytes = base64_decode(body);
  if (!bytes) return bad("is damaged: it is not valid base64.");
  return std::move(*bytes);
}

Result<SshKeyFacts> inspect_openssh(std::string_view key) {
  const auto bytes = container(key);
  if (!bytes) return fail(bytes.error());
  constexpr std::string_view kMagic("openssh-key-v1\0", 15);
  std::string_view rest = *bytes;
  if (!rest.starts_with(kMagic)) return bad("is damaged: it is no OpenSSH key inside.");
  rest.remove_prefix(kMagic.size());
  std::string_view cipher, kdf, options, blob, secret;
  if (!take_field(rest, cipher) || !take_field(rest, kdf) || !take_field(rest, options) || rest.size() < 4)
    return bad("is damaged: it is cut short.");
  rest.remove_prefix(4);  // number of keys: always one
  if (!take_field(rest, blob) || !take_field(rest, secret)) return bad("is damaged: it is cut short.");
  auto facts = facts_of_blob(blob);
  if (!facts) return facts;
  if (cipher != "none") return bad(kPassphrase);
  // Two equal check words begin the secret part of an intact key.
  if (secret.size() < 8 || secret.substr(0, 4) != secret.substr(4, 4))
    return bad("is damaged: its check words differ.");
  return facts;
}

}  // namespace

Result<SshKeyFacts> inspect_ssh_key(std::string_view private_key) {
  const auto has = [&](std::string_view what) { return private_key.find(what) != std::string_view::npos; };
  if (has("-----BEGIN OPENSSH PRIVATE KEY-----")) return inspect_openssh(private_key);
  if (has("PuTTY-User-Key-File"))
    return bad(
        "is in PuTTY's form. Convert it: puttygen KEY.ppk -O private-openssh-new -o gpuwarden_ed25519");
  if (has("-----BEGIN RSA PRIVATE KEY-----")) return facts_of_blob(wire_field("ssh-rsa"));
  if (has("-----BEGIN DSA PRIVATE KEY-----")) return facts_of_blob(wire_field("ssh-dss"));
  if (has("-----BEGIN ENCRYPTED PRIVATE KEY-----") || has("Proc-Type: 4,ENCRYPTED")) return bad(kPassphrase);
  if (has("PRIVATE KEY-----")) {
    const auto blob = blob_of_pem(private_key);
    return blob ? facts_of_blob(*blob) : Result<SshKeyFacts>(fail(blob.error()));
  }
  const std::string_view text = trimmed(private_key);
  if (text.starts_with("ssh-") || text.starts_with("ecdsa-") || has("PUBLIC KEY"))
    return bad("is a public key. Give the private one: the file without .pub");
  return bad("is no private key: it must begin with -----BEGIN OPENSSH PRIVATE KEY-----");
}

}  // namespace gpuwarden::config
