#include "client.hpp"

#include <fstream>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/http/client.hpp"
#include "gpuwarden/sandbox/sandbox.hpp"

namespace gpuwarden::sandbox {
namespace asio = boost::asio;

Result<std::string> ask(const std::string& dir, const std::string& method, const std::string& path,
                        const std::string& body) {
  std::ifstream file(dir + "/" + std::string(kReadyFile));
  const auto ready = nlohmann::json::parse(file, nullptr, false);
  const auto none = fmt::format("no sandbox runs in {}; start one: gpuwarden-sandbox --dir {}", dir, dir);
  if (!ready.is_object()) return fail(ErrorKind::not_found, none);
  asio::io_context io;
  http::Client client(io.get_executor());
  http::Request request;
  request.method = method;
  request.url = ready.at("control").get<std::string>() + path;
  request.body = body;
  request.headers = {{"content-type", "application/json"}};
  auto answer = asio::co_spawn(io, client.fetch(std::move(request)), asio::use_future);
  io.run();
  const auto response = answer.get();
  // The file of a sandbox that was killed is still there.
  if (!response && response.error().kind == ErrorKind::unavailable) return fail(ErrorKind::not_found, none);
  if (!response) return fail(response.error().within("sandbox in " + dir));
  if (response->status == 200) return response->body;
  const auto error = nlohmann::json::parse(response->body, nullptr, false);
  return fail(ErrorKind::refused, error.is_object() ? error.value("error", response->body) : response->body);
}

}  // namespace gpuwarden::sandbox
