#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/supabase/codec.hpp"

namespace gpuwarden::supabase {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

http::Response answer(int status, std::string body, std::string type = "application/json; charset=utf-8") {
  http::Response response;
  response.status = status;
  response.body = std::move(body);
  response.headers = {{"Content-Type", std::move(type)}};
  return response;
}

Error coded(int status, const std::string& code, Effect effect) {
  return error_of(
      answer(status, nlohmann::json{{"code", code}, {"message", "the words"}, {"hint", nullptr}}.dump()),
      effect);
}

struct CodeCase {
  const char* code;
  int status;
  ErrorKind read, write;
};

TEST(SupabaseErrors, EveryCodeHasItsClassForReadsAndForWrites) {
  using enum ErrorKind;
  const std::vector<CodeCase> cases{
      {"PGRST000", 503, unavailable, unavailable},
      {"PGRST001", 503, unavailable, ambiguous},  // the connection may break in the middle of a statement
      {"PGRST002", 503, unavailable, unavailable},
      {"55P03", 500, unavailable, unavailable},     // lock_timeout: rolled back
      {"PGRST003", 504, unavailable, unavailable},  // never got a connection: nothing ran
      {"PGRST100", 400, invalid_input, invalid_input},
      {"PGRST202", 404, invalid_input, invalid_input},
      {"PGRST204", 400, invalid_input, invalid_input},
      {"PGRST205", 404, invalid_input, invalid_input},
      {"PGRST301", 401, unauthorized, unauthorized},
      {"PGRST302", 401, unauthorized, unauthorized},
      {"PGRST303", 401, unauthorized, unauthorized},
      {"42501", 403, unauthorized, unauthorized},
      {"42P01", 404, invalid_input, invalid_input},
      {"42883", 404, invalid_input, invalid_input},
      {"57014", 500, timeout, timeout},
      {"57P01", 503, unavailable, ambiguous},
      {"57P03", 503, unavailable, unavailable},
      {"08006", 503, unavailable, ambiguous},
      {"40001", 500, unavailable, unavailable},
      {"40P01", 500, unavailable, unavailable},
      {"53300", 503, unavailable, unavailable},
      {"25006", 405, unavailable, unavailable},
      {"XX000", 500, unavailable, unavailable},
      {"PT401", 401, unauthorized, unauthorized},
      {"PT403", 403, refused, refused},
      {"PT404", 404, not_found, not_found},
      {"PT409", 409, conflict, conflict},
      {"23505", 409, conflict, conflict},
      {"22P02", 400, invalid_input, invalid_input},
      {"P0001", 400, refused, refused},
  };
  for (const CodeCase& c : cases) {
    EXPECT_EQ(coded(c.status, c.code, Effect::read).kind, c.read) << c.code;
    const Error error = coded(c.status, c.code, Effect::write);
    EXPECT_EQ(error.kind, c.write) << c.code;
    EXPECT_EQ(error.code, c.code);
    EXPECT_EQ(error.http_status, c.status);
    EXPECT_THAT(error.message, HasSubstr("the words"));
  }
}

TEST(SupabaseErrors, MissingFunctionsNameTheRemedy) {
  for (const char* code : {"PGRST202", "PGRST204", "PGRST205", "42P01", "42883", "42703"}) {
    EXPECT_THAT(coded(404, code, Effect::read).message, HasSubstr("gpuwarden migrate --print")) << code;
  }
}

struct StatusCase {
  int status;
  ErrorKind read, write;
  const char* words;
};

TEST(SupabaseErrors, PlatformPagesAreClassedByTheirStatus) {
  using enum ErrorKind;
  const std::vector<StatusCase> cases{
      {401, unauthorized, unauthorized, "SUPABASE_SECRET_KEY"},
      {402, refused, refused, "billing"},
      {403, unauthorized, unauthorized, "denied"},
      {404, not_found, not_found, "SUPABASE_URL"},
      {414, invalid_input, invalid_input, "too large"},
      {429, rate_limited, rate_limited, "too many"},
      {500, unavailable, ambiguous, "failed"},
      {502, unavailable, ambiguous, "failed"},
      {503, unavailable, ambiguous, "failed"},
      {504, unavailable, ambiguous, "failed"},
      {520, unavailable, ambiguous, "no answer"},
      {521, unavailable, ambiguous, "no answer"},
      {522, unavailable, ambiguous, "no answer"},
      {523, unavailable, ambiguous, "no answer"},
      {524, unavailable, ambiguous, "no answer"},
      {540, refused, refused, "project paused"},
      {544, unavailable, ambiguous, "no answer"},
      {418, invalid_input, invalid_input, "refused"},
      {302, malformed, malformed, "unexpected"},
  };
  for (const StatusCase& c : cases) {
    const auto page = answer(c.status, "<!DOCTYPE html><title>secret page</title>", "text/html");
    EXPECT_EQ(error_of(page, Effect::read).kind, c.read) << c.status;
    const Error error = error_of(page, Effect::write);
    EXPECT_EQ(error.kind, c.write) << c.status;
    EXPECT_THAT(error.message, HasSubstr(c.words)) << c.status;
    EXPECT_THAT(error.message, Not(HasSubstr("<"))) << "HTML is not quoted";
  }
}

TEST(SupabaseErrors, JsonThatIsDeclaredAsHtmlIsNotRead) {
  const Error error = error_of(answer(500, R"({"code":"42501","message":"m"})", "text/html"), Effect::read);
  EXPECT_TRUE(error.code.empty());
}

TEST(SupabaseErrors, TheGatewaysOwnWordsAreShown) {
  const Error error =
      error_of(answer(401, R"({"message":"Legacy API keys are disabled","hint":"x"})"), Effect::read);
  EXPECT_EQ(error.kind, ErrorKind::unauthorized);
  EXPECT_THAT(error.message, HasSubstr("Legacy API keys are disabled"));
}

TEST(SupabaseErrors, AFunctionsErrorCodeComesFromItsHeader) {
  auto response = answer(504, R"({"error":"idle"})");
  response.headers.emplace_back("sb-error-code", "IDLE_TIMEOUT");
  const Error error = error_of(response, Effect::read);
  EXPECT_EQ(error.code, "IDLE_TIMEOUT");
  EXPECT_EQ(error.kind, ErrorKind::unavailable);
}

TEST(SupabaseErrors, RetryAfterIsKeptWhenItIsSeconds) {
  auto response = answer(503, R"({"code":"PGRST002","message":"m"})");
  EXPECT_FALSE(error_of(response, Effect::read).retry_after);
  response.headers.emplace_back("Retry-After", "2");
  EXPECT_EQ(error_of(response, Effect::read).retry_after, 2000ms);
  response.headers.back().second = "0";
  EXPECT_EQ(error_of(response, Effect::read).retry_after, 0ms);
  response.headers.back().second = "999999999";
  EXPECT_EQ(error_of(response, Effect::read).retry_after, 1h);
  for (const char* bad : {"soon", "-4", "Tue, 24 Nov 2026 02:00:00 GMT"}) {
    response.headers.back().second = bad;
    EXPECT_FALSE(error_of(response, Effect::read).retry_after) << bad;
  }
}

TEST(SupabaseErrors, SecretsAndLineBreaksDoNotReachTheMessage) {
  const Error error = error_of(
      answer(400, R"({"code":"22P02","message":"bad\nvalue sb_secret_0123456789abcdefghijklmnopqrstuv"})"),
      Effect::read);
  EXPECT_THAT(error.message, Not(HasSubstr("0123456789abcdef")));
  EXPECT_THAT(error.message, Not(HasSubstr("\n")));
}

TEST(SupabaseErrors, AnEndlessMessageIsCut) {
  const Error error =
      error_of(answer(400, nlohmann::json{{"code", "P0001"}, {"message", std::string(100000, 'm')}}.dump()),
               Effect::read);
  EXPECT_LT(error.message.size(), 600U);
}

}  // namespace
}  // namespace gpuwarden::supabase
