#include <array>
#include <memory>

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "ssh_key_blob.hpp"

namespace gpuwarden::config {
namespace {

struct Curve {
  std::string_view openssl_name, ssh_name;
};
constexpr std::array kCurves{Curve{"prime256v1", "nistp256"}, Curve{"secp384r1", "nistp384"},
                             Curve{"secp521r1", "nistp521"}};

/// Never asks the terminal for a passphrase.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*user*/) {
  return -1;
}

Result<std::string> blob_of_ec(const EVP_PKEY& key) {
  std::array<char, 64> group{};
  std::array<unsigned char, 256> point{};
  std::size_t group_size = 0, point_size = 0;
  if (EVP_PKEY_get_utf8_string_param(&key, OSSL_PKEY_PARAM_GROUP_NAME, group.data(), group.size(),
                                     &group_size) != 1 ||
      EVP_PKEY_get_octet_string_param(&key, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(),
                                      &point_size) != 1)
    return fail(ErrorKind::invalid_input, "is damaged: it has no public part.");
  const std::string_view name(group.data(), group_size);
  for (const Curve& curve : kCurves) {
    if (curve.openssl_name != name) continue;
    return wire_field("ecdsa-sha2-" + std::string(curve.ssh_name)) + wire_field(curve.ssh_name) +
           wire_field({reinterpret_cast<const char*>(point.data()), point_size});
  }
  return fail(
      ErrorKind::invalid_input,
      fmt::format("is on the curve {}, which SSH does not know. Make a good one: ssh-keygen -t ed25519 "
                  "-N '' -f gpuwarden_ed25519",
                  name));
}

}  // namespace

Result<std::string> blob_of_pem(std::string_view pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr), &EVP_PKEY_free);
  ERR_clear_error();
  if (!key) return fail(ErrorKind::invalid_input, "is damaged: it cannot be read as a PEM private key.");
  switch (EVP_PKEY_get_base_id(key.get())) {
    case EVP_PKEY_EC:
      return blob_of_ec(*key);
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
      return wire_field("ssh-rsa");
    case EVP_PKEY_DSA:
      return wire_field("ssh-dss");
    default:
      return fail(ErrorKind::invalid_input,
                  "is in PEM form, which the daemon's SSH reads only for ECDSA. Make one in OpenSSH form: "
                  "ssh-keygen -t ed25519 -N '' -f gpuwarden_ed25519");
  }
}

}  // namespace gpuwarden::config
