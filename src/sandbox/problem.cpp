#include "problem.hpp"

#include <nlohmann/json.hpp>

namespace gpuwarden::sandbox {
namespace {

std::string_view title_of(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Entity";
    case 429:
      return "Too Many Requests";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

}  // namespace

http::ServerResponse problem(int status, std::string_view detail, const std::vector<std::string>& errors) {
  nlohmann::json body{{"title", title_of(status)}, {"status", status}, {"detail", detail}};
  if (!errors.empty()) body["errors"] = errors;
  http::ServerResponse response;
  response.status = status;
  response.headers = {{"content-type", "application/problem+json"}};
  response.body = body.dump();
  return response;
}

http::ServerResponse json_answer(int status, std::string body) {
  http::ServerResponse response;
  response.status = status;
  response.headers = {{"content-type", "application/json"}};
  response.body = std::move(body);
  return response;
}

http::ServerResponse edge_block() {
  http::ServerResponse response;
  response.status = 403;
  response.headers = {{"content-type", "text/plain; charset=UTF-8"}, {"server", "cloudflare"}};
  response.body = "error code: 1010";
  return response;
}

}  // namespace gpuwarden::sandbox
