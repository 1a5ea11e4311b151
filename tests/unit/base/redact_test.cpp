#include "gpuwarden/base/redact.hpp"

#include <string>

#include <gtest/gtest.h>

namespace gpuwarden {
namespace {

// Credentials are put together at run time, so that no scanner mistakes this file for a leak.
std::string joined(const char* a, const char* b) {
  return std::string(a) + b;
}
const std::string kJwt =
    joined("eyJ", "hbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJlLXRleHQ");

TEST(Redaction, RemovesAKnownSecretWhereverItStands) {
  Redactor redactor;
  redactor.add("correct-horse-battery");
  EXPECT_EQ(redactor.redact("a correct-horse-battery b correct-horse-battery"), "a [redacted] b [redacted]");
}

TEST(Redaction, IgnoresSecretsOfSevenCharactersAndTakesThoseOfEight) {
  Redactor redactor;
  redactor.add("seven77");
  redactor.add("eight888");
  EXPECT_EQ(redactor.redact("seven77 eight888"), "seven77 [redacted]");
}

TEST(Redaction, TakesALongerSecretWholeWhenItContainsAShorterOne) {
  for (const bool longer_first : {true, false}) {
    Redactor redactor;
    redactor.add(longer_first ? "prefix-password-suffix" : "password");
    redactor.add(longer_first ? "password" : "prefix-password-suffix");
    EXPECT_EQ(redactor.redact("x prefix-password-suffix y"), "x [redacted] y");
    EXPECT_EQ(redactor.redact("x password y"), "x [redacted] y");
  }
}

TEST(Redaction, LeavesNothingOfSecretsThatOverlapInTheText) {
  Redactor redactor;
  redactor.add("abcdefgh1234");
  redactor.add("1234ijklmnop");
  EXPECT_EQ(redactor.redact("x abcdefgh1234ijklmnop y"), "x [redacted] y");
}

TEST(Redaction, BearsASecretThatIsPartOfItsOwnMark) {
  Redactor redactor;
  redactor.add("redacted");
  redactor.add("correct-horse-battery");
  EXPECT_EQ(redactor.redact("a correct-horse-battery b redacted"), "a [redacted] b [redacted]");
}

TEST(Redaction, FindsASecretThatTouchesOtherText) {
  Redactor redactor;
  redactor.add("tokentoken42");
  EXPECT_EQ(redactor.redact("key=tokentoken42&x"), "key=[redacted]&x");
  EXPECT_EQ(redactor.redact("\"tokentoken42\""), "\"[redacted]\"");
  EXPECT_EQ(redactor.redact("tokentoken42 tokentoken42"), "[redacted] [redacted]");
}

TEST(Redaction, KnowsTheShapesOfCommonCredentials) {
  const std::string tail = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789";
  for (const char* prefix : {"sb_secret_", "rpa_", "ghp_", "gho_", "github_pat_", "hf_", "sk-"}) {
    const std::string secret = prefix + tail;
    EXPECT_EQ(redact_shapes("key " + secret + " end"), "key [redacted] end") << prefix;
    EXPECT_EQ(redact_shapes("KEY=\"" + secret + "\","), "KEY=\"[redacted]\",") << prefix;
  }
  EXPECT_EQ(redact_shapes("jwt " + kJwt + " end"), "jwt [redacted] end");
}

TEST(Redaction, TakesTheTokenOfABearerHeaderInAnyCase) {
  EXPECT_EQ(redact_shapes("Authorization: Bearer abcdefgh12345678"), "Authorization: Bearer [redacted]");
  EXPECT_EQ(redact_shapes("authorization: bearer abcdefgh12345678, x"),
            "authorization: bearer [redacted], x");
}

TEST(Redaction, LeavesThePublishableKeyAndOrdinaryWordsAlone) {
  for (const char* text : {"sb_publishable_abcdefghijklmnop", "the bearer of bad news", "task-queue",
                           "hf_hub", "sk-learn", "eyJ is a prefix", "https://api.runpod.io/v2/pods"}) {
    EXPECT_EQ(redact_shapes(text), text);
  }
}

TEST(Redaction, TakesThePasswordOutOfAnUrl) {
  EXPECT_EQ(redact_shapes("postgres://user:pa55word@db.example:5432/x"),
            "postgres://user:[redacted]@db.example:5432/x");
  EXPECT_EQ(redact_shapes("clone https://x-access-token:abcdef@github.com/a/b.git now"),
            "clone https://x-access-token:[redacted]@github.com/a/b.git now");
  EXPECT_EQ(redact_shapes("https://tokenonly@github.com/a"), "https://[redacted]@github.com/a");
}

TEST(Redaction, TakesAWholePrivateKeyBlockAlsoWithoutItsEnd) {
  const std::string begin = joined("-----BEGIN OPENSSH PRIV", "ATE KEY-----");
  const std::string end = joined("-----END OPENSSH PRIV", "ATE KEY-----");
  EXPECT_EQ(redact_shapes("a " + begin + "\nb3BlbnNzaC1rZXk\nabc\n" + end + " z"), "a [redacted] z");
  EXPECT_EQ(redact_shapes("a " + begin + "\nb3BlbnNzaC1rZXk\nabc"), "a [redacted]");
  EXPECT_EQ(redact_shapes(begin + "x" + end + " and " + begin + "y" + end), "[redacted] and [redacted]");
}

TEST(Redaction, LeavesACertificateAlone) {
  const std::string text = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";
  EXPECT_EQ(redact_shapes(text), text);
}

TEST(Redaction, IsStable) {
  Redactor redactor;
  redactor.add("correct-horse-battery");
  const std::string once = redactor.redact("Bearer correct-horse-battery and " + kJwt);
  EXPECT_EQ(redactor.redact(once), once);
}

TEST(Redaction, BearsEmptyAndBrokenText) {
  Redactor redactor;
  redactor.add("");
  EXPECT_EQ(redactor.redact(""), "");
  EXPECT_EQ(redactor.redact(std::string("a\0\xFF\xC3", 4)), std::string("a\0\xFF\xC3", 4));
  EXPECT_EQ(redact_shapes("://"), "://");
  EXPECT_EQ(redact_shapes("-----BEGIN "), "-----BEGIN ");
  EXPECT_EQ(redact_shapes("Bearer "), "Bearer ");
}

}  // namespace
}  // namespace gpuwarden
