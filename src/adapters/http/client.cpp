#include "gpuwarden/http/client.hpp"

#include <algorithm>

#include <boost/asio/this_coro.hpp>

#include "multi.hpp"
#include "transfer.hpp"

namespace gpuwarden::http {
namespace {

namespace asio = boost::asio;

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool is_one_line(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

/// Whatever could smuggle a second header or request into the stream is refused.
bool is_sendable(const Request& request) {
  return is_token(request.method) && is_one_line(request.url) && is_one_line(request.unix_socket) &&
         std::all_of(request.headers.begin(), request.headers.end(),
                     [](const auto& header) { return is_token(header.first) && is_one_line(header.second); });
}

}  // namespace

struct Client::Impl {
  std::shared_ptr<Multi> multi;
  ClientOptions options;
};

Client::Client(asio::any_io_executor executor, ClientOptions options) : impl_(std::make_shared<Impl>()) {
  impl_->multi = std::make_shared<Multi>(std::move(executor), options.max_connections);
  impl_->options = std::move(options);
}

Client::~Client() {
  impl_->multi->close();
}

asio::awaitable<Result<Response>> Client::fetch(Request request) {
  auto url = parse_url(request.url);
  if (!url) co_return fail(url.error().within(request.method));
  if (!is_sendable(request)) {
    co_return fail(ErrorKind::invalid_input,
                   "a line break or an illegal character in method, URL or headers for " + url->host);
  }
  Transfer transfer(impl_->multi, std::move(request), std::move(*url), impl_->options);
  co_return co_await transfer.run();
}

}  // namespace gpuwarden::http
