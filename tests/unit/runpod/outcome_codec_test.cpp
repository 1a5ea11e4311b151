#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/runpod/codec.hpp"

namespace gpuwarden::runpod {
namespace {

using namespace std::chrono_literals;
using ports::CreateOutcome;
using ::testing::HasSubstr;
using ::testing::Not;

http::Response problem(int status, const std::string& detail) {
  http::Response response;
  response.status = status;
  response.headers = {{"Content-Type", "application/problem+json"}, {"X-Request-Id", "req-1"}};
  response.body = nlohmann::json{{"title", "T"}, {"status", status}, {"detail", detail}}.dump();
  return response;
}

http::Response page(int status, std::string body, std::string type = "text/html") {
  http::Response response;
  response.status = status;
  response.headers = {{"Content-Type", std::move(type)}};
  response.body = std::move(body);
  return response;
}

std::string name_of(const CreateOutcome& outcome) {
  struct Names {
    std::string operator()(const PodCreated&) { return "created"; }
    std::string operator()(const CreateNoCapacity&) { return "no_capacity"; }
    std::string operator()(const CreateNoBalance&) { return "no_balance"; }
    std::string operator()(const CreateInvalid&) { return "invalid"; }
    std::string operator()(const CreateUnauthorized&) { return "unauthorized"; }
    std::string operator()(const CreateRateLimited&) { return "rate_limited"; }
    std::string operator()(const CreateNotSent&) { return "not_sent"; }
    std::string operator()(const CreateAmbiguous&) { return "ambiguous"; }
  };
  return std::visit(Names(), outcome);
}

struct Case {
  int status;
  const char* detail;
  const char* create;
  ErrorKind read;
};

TEST(RunpodAnswers, EveryErrorTextHasItsOutcome) {
  using enum ErrorKind;
  const std::vector<Case> cases{
      {400,
       "There are no longer any instances available with the requested specifications. Please refresh and "
       "try again.",
       "no_capacity", invalid_input},
      {400, "There are no instances currently available", "no_capacity", invalid_input},
      {400, "This machine does not have the resources to deploy your pod. Please try a different machine",
       "no_capacity", invalid_input},
      {400, "There are no machines with enough disk space.", "no_capacity", invalid_input},
      {400, "There are not enough free GPUs on the host machine to start this pod.", "no_capacity",
       invalid_input},
      {400, "You must either provide a template id or pod configuration parameters", "invalid",
       invalid_input},
      {400, "Your account balance is too low to rent a pod. Please add funds to your account.", "no_balance",
       invalid_input},
      {402, "Your account balance is too low to rent a pod. Please add funds to your account.", "no_balance",
       refused},
      {402, "payment required", "no_balance", refused},
      {401, "missing bearer token", "unauthorized", unauthorized},
      {403, "access denied", "unauthorized", unauthorized},
      {404, "template not found", "invalid", not_found},
      {409, "wrong status for action", "invalid", conflict},
      {422, "Request validation failed.", "invalid", invalid_input},
      {429, "rate limit exceeded for the minute window", "rate_limited", rate_limited},
      {408, "request timeout", "ambiguous", timeout},
      {500, "Something went wrong. Please try again later or contact support.", "ambiguous", unavailable},
      {502, "bad gateway", "ambiguous", unavailable},
      {503, "unavailable", "ambiguous", unavailable},
      {504, "timeout", "ambiguous", unavailable},
      // The words do not help: behind a 5xx there may be a pod all the same.
      {500, "There are no instances currently available", "ambiguous", unavailable},
      {500, "Your account balance is too low to rent a pod.", "ambiguous", unavailable},
      {302, "moved", "invalid", malformed},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(name_of(create_outcome(problem(c.status, c.detail), std::nullopt)), c.create)
        << c.status << " " << c.detail;
    const Error error = error_of(problem(c.status, c.detail), std::nullopt);
    EXPECT_EQ(error.kind, c.read) << c.status;
    EXPECT_EQ(error.http_status, c.status);
    EXPECT_THAT(error.message, HasSubstr(c.detail));
    EXPECT_THAT(error.message, HasSubstr("req-1"));
  }
}

TEST(RunpodAnswers, ValidationErrorsAreListed) {
  auto response = problem(422, "Request validation failed.");
  response.body =
      R"({"title":"T","status":422,"detail":"Request validation failed.","errors":["$: additional properties 'x' not allowed"]})";
  const auto outcome = create_outcome(response, std::nullopt);
  ASSERT_EQ(name_of(outcome), "invalid");
  EXPECT_EQ(std::get<CreateInvalid>(outcome).http_status, 422);
  EXPECT_THAT(std::get<CreateInvalid>(outcome).detail, HasSubstr("additional properties 'x' not allowed"));
}

// A refused key stops everything, a forbidden candidate only itself.
TEST(RunpodAnswers, ARefusedKeyAndAForbiddenRequestCanBeToldApart) {
  for (const int status : {401, 403}) {
    const auto outcome = create_outcome(problem(status, "access denied"), std::nullopt);
    ASSERT_EQ(name_of(outcome), "unauthorized");
    EXPECT_EQ(std::get<CreateUnauthorized>(outcome).http_status, status);
  }
}

TEST(RunpodAnswers, A429CarriesHowLongToWait) {
  const auto outcome =
      create_outcome(problem(429, "rate limit exceeded for the minute window"), Duration(12s));
  EXPECT_EQ(std::get<CreateRateLimited>(outcome).retry_after, 12s);
  EXPECT_EQ(error_of(problem(429, "x"), Duration(12s)).retry_after, 12s);
}

TEST(RunpodAnswers, ACreatedPodIsRecognisedByItsId) {
  const auto made = [](const char* body, const char* type = "application/json") {
    return name_of(create_outcome(page(201, body, type), std::nullopt));
  };
  EXPECT_EQ(made(R"({"id":"p","name":"n","status":"PROVISIONING"})"), "created");
  EXPECT_EQ(made(R"({"id":"p"})"), "created") << "the id alone proves it";
  EXPECT_EQ(made(R"({"name":"n"})"), "ambiguous");
  EXPECT_EQ(made("{}"), "ambiguous");
  EXPECT_EQ(made(""), "ambiguous");
  EXPECT_EQ(made(R"({"id":"p")"), "ambiguous");
  EXPECT_EQ(made(R"({"id":"p","name":"n","status":"PROVISIONING"})", "text/html"), "ambiguous");
}

TEST(RunpodAnswers, AGatewayPageIsNotQuoted) {
  const auto outcome = create_outcome(page(403, "<html>Access denied</html>"), std::nullopt);
  ASSERT_EQ(name_of(outcome), "unauthorized");
  EXPECT_THAT(std::get<CreateUnauthorized>(outcome).detail, Not(HasSubstr("<")));
  EXPECT_THAT(std::get<CreateUnauthorized>(outcome).detail, HasSubstr("403"));
  const auto plain = create_outcome(page(403, "error code: 1010", "text/plain"), std::nullopt);
  EXPECT_THAT(std::get<CreateUnauthorized>(plain).detail, HasSubstr("error code: 1010"));
}

TEST(RunpodAnswers, SecretsDoNotReachTheDetail) {
  const auto outcome =
      create_outcome(problem(400, "bad header Bearer rpa_0123456789ABCDEFGHIJKLMNOPQRSTUV\nx"), std::nullopt);
  EXPECT_THAT(std::get<CreateInvalid>(outcome).detail, Not(HasSubstr("0123456789ABC")));
  EXPECT_THAT(std::get<CreateInvalid>(outcome).detail, Not(HasSubstr("\n")));
}

TEST(RunpodAnswers, OnlyWhatFailedBeforeAConnectionStoodIsKnownNotToBeSent) {
  const auto of = [](ErrorKind kind) {
    Error error;
    error.kind = kind;
    error.message = "m";
    return std::pair(name_of(create_outcome(error)), delete_outcome(error));
  };
  EXPECT_EQ(of(ErrorKind::unavailable), std::pair(std::string("not_sent"), DeleteOutcome::not_sent));
  EXPECT_EQ(of(ErrorKind::invalid_input), std::pair(std::string("invalid"), DeleteOutcome::not_sent));
  for (const ErrorKind kind :
       {ErrorKind::timeout, ErrorKind::ambiguous, ErrorKind::malformed, ErrorKind::cancelled}) {
    EXPECT_EQ(of(kind), std::pair(std::string("ambiguous"), DeleteOutcome::ambiguous)) << to_string(kind);
  }
}

TEST(RunpodAnswers, EveryAnswerToADeleteHasItsOutcome) {
  const std::vector<std::pair<int, DeleteOutcome>> cases{
      {204, DeleteOutcome::accepted},  {200, DeleteOutcome::accepted},  {404, DeleteOutcome::not_found},
      {400, DeleteOutcome::refused},   {401, DeleteOutcome::refused},   {403, DeleteOutcome::refused},
      {409, DeleteOutcome::refused},   {422, DeleteOutcome::refused},   {429, DeleteOutcome::not_sent},
      {408, DeleteOutcome::ambiguous}, {500, DeleteOutcome::ambiguous}, {503, DeleteOutcome::ambiguous}};
  for (const auto& [status, outcome] : cases)
    EXPECT_EQ(delete_outcome(problem(status, "x")), outcome) << status;
}

}  // namespace
}  // namespace gpuwarden::runpod
