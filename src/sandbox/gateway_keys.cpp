#include "gateway_keys.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "pod_book.hpp"
#include "problem.hpp"

namespace gpuwarden::sandbox {
namespace {

using nlohmann::json;

std::string base64url(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  while (text.ends_with('=')) text.pop_back();
  return text;
}

std::string sign(std::string_view text, std::string_view secret) {
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac, &length);
  return base64url({reinterpret_cast<const char*>(mac), length});
}

bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool is_signed_by(std::string_view jwt, std::string_view secret) {
  const auto dot = jwt.rfind('.');
  return std::count(jwt.begin(), jwt.end(), '.') == 2 &&
         same(sign(jwt.substr(0, dot), secret), jwt.substr(dot + 1));
}

Admission refuse(int status, const json& body) {
  Admission admission;
  admission.refusal = json_answer(status, body.dump());
  return admission;
}

Admission refuse_token(std::string_view token) {
  const auto parts = std::count(token.begin(), token.end(), '.') + 1;
  return refuse(401, {{"code", "PGRST301"},
                      {"details", nullptr},
                      {"hint", nullptr},
                      {"message", parts == 3 ? "JWSError JWSInvalidSignature"
                                             : fmt::format("Expected 3 parts in JWT; got {}", parts)}});
}

}  // namespace

std::string make_jwt(std::string_view role, std::string_view secret) {
  const auto head = base64url(R"({"alg":"HS256","typ":"JWT"})");
  const auto claims = base64url(json{{"iss", "supabase"}, {"ref", "sandbox"}, {"role", role}}.dump());
  const auto text = head + "." + claims;
  return text + "." + sign(text, secret);
}

ProjectKeys make_project_keys() {
  return {"sb_secret_" + random_word(32), "sb_publishable_" + random_word(32), random_word(48)};
}

Admission admit(const http::ServerRequest& request, const GatewayOptions& options) {
  const auto key = std::string(request.header("apikey").value_or(""));
  auto token = std::string(request.header("authorization").value_or(""));
  if (token.starts_with("Bearer ") || token.starts_with("bearer ")) token.erase(0, 7);
  if (key.empty())
    return refuse(401, {{"message", "No API key found in request"},
                        {"hint", "No `apikey` request header or url param was found."}});
  const bool secret = same(key, options.secret_key);
  const bool publishable = same(key, options.publishable_key);
  const bool legacy = is_signed_by(key, options.jwt_secret);
  if (!secret && !publishable && !legacy)
    return refuse(401, {{"message", "Invalid API key"},
                        {"hint", "Double check your Supabase `anon` or `service_role` API key."}});
  if (secret && request.header("user-agent").value_or("").starts_with("Mozilla/"))
    return refuse(401, {{"message", "Forbidden use of secret API key in browser"},
                        {"hint",
                         "Secret API keys can only be used in a protected environment and should never be "
                         "used in a browser."}});
  // A key in Authorization is taken for a user's token, whatever apikey says; only a JWT is one.
  if (!token.empty() && !is_signed_by(token, options.jwt_secret)) return refuse_token(token);
  Admission admission;
  admission.publishable_key = publishable || (legacy && same(key, make_jwt("anon", options.jwt_secret)));
  admission.service_key = secret || (legacy && same(key, make_jwt("service_role", options.jwt_secret)));
  if (!token.empty())
    admission.jwt = token;
  else
    admission.jwt = legacy ? key : make_jwt(secret ? "service_role" : "anon", options.jwt_secret);
  return admission;
}

}  // namespace gpuwarden::sandbox
