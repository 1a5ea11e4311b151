#pragma once

#include <memory>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <curl/curl.h>

#include "gpuwarden/http/client.hpp"

#include "url.hpp"

namespace gpuwarden::http {

class Multi;

/// One exchange: a Request turned into curl options, the callbacks that collect the answer, and the coroutine
/// that waits for its end. Callbacks only take notes; whatever may run a caller's code happens in run().
class Transfer {
 public:
  Transfer(std::shared_ptr<Multi> multi, Request request, UrlParts url, const ClientOptions& options);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  boost::asio::awaitable<Result<Response>> run();

  /// Called by Multi.
  CURL* handle() const { return easy_; }
  void ended(CURLcode code);
  void give_up();

  /// Read by failure_of.
  const Request& request() const { return request_; }
  const UrlParts& url() const { return url_; }
  bool begun() const { return sends_ > 0; }        ///< a connection stood and the request was being sent
  bool not_resent() const { return not_resent_; }  ///< curl wanted to send it a second time
  bool too_long() const { return too_long_; }      ///< the body is
  bool head_too_long() const { return head_too_long_; }
  const char* curl_message() const { return message_; }

 private:
  void configure(const ClientOptions& options);
  void configure_method();
  void configure_headers(const std::string& user_agent);
  void configure_route();
  bool has_news() const;
  void start_clock(Duration time);
  /// Shows the headers to who wants them; the time for listening begins.
  void tell_head();
  void leave_dead_connection();
  Result<Response> result(CURLcode code);
  bool has_header(std::string_view name) const;

  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  static int on_send(void* self, char*, char*, int, int);
  static int on_socket(void* self, curl_socket_t socket, curlsocktype purpose);

  std::shared_ptr<Multi> multi_;
  Request request_;
  UrlParts url_;
  Response response_;
  std::string pending_;  // streamed body that on_chunk has not seen yet
  boost::asio::steady_timer wake_;
  CURL* easy_;
  curl_slist* headers_{nullptr};
  char message_[CURL_ERROR_SIZE]{};
  std::optional<CURLcode> ended_;
  std::size_t header_bytes_{0};
  int sends_{0};
  bool not_resent_{false}, too_long_{false}, head_too_long_{false}, given_up_{false}, added_{false};
  bool head_complete_{false}, head_told_{false}, time_up_{false};
};

/// The error of an exchange that ended without a complete answer, by what is certain about it.
Error failure_of(const Transfer& transfer, CURLcode code);

}  // namespace gpuwarden::http
