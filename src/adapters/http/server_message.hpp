#pragma once

#include <optional>

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include "gpuwarden/http/server.hpp"

namespace gpuwarden::http {

/// What the wire said in the words of a handler; nullopt when the target is unusable.
std::optional<ServerRequest> to_request(
    boost::beast::http::request<boost::beast::http::string_body>&& message);

/// Status line and headers of an answer. Whatever would break the framing is left out.
boost::beast::http::response<boost::beast::http::string_body> to_message(const ServerResponse& response,
                                                                         unsigned version, bool keep_alive);

/// A JSON answer {"error": text}.
ServerResponse error_answer(int status, std::string_view text);

}  // namespace gpuwarden::http
