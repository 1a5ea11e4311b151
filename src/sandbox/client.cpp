#include "client.hpp"

#include <fstream>
#include <sstream>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <nlohmann/json.hpp>

#include "gpuwarden/http/client.hpp"
#include "gpuwarden/sandbox/sandbox.hpp"

namespace gpuwarden::sandbox {
namespace asio = boost::asio;

Result<std::string> ask(const std::string& dir, const std::string& method, const std::string& path,
                        const std::string& body) {
  std::ifstream file(dir + "/" + std::string(kReadyFile));
  const auto ready = nlohmann::json::parse(file, nullptr, false);
  if (!ready.is_object()) return fail(ErrorKind::not_found, "no sandbox runs in " + dir);
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
  if (!response) return fail(response.error().within("sandbox in " + dir));
  if (response->status == 200) return response->body;
  const auto error = nlohmann::json::parse(response->body, nullptr, false);
  return fail(ErrorKind::refused, error.is_object() ? error.value("error", response->body) : response->body);
}

}  // namespace gpuwarden::sandbox
