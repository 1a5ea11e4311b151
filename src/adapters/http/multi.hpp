#pragma once

#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <curl/curl.h>

namespace gpuwarden::http {

class Transfer;

/// A curl multi handle driven by Asio: curl says which sockets and which time it waits for, Asio waits.
class Multi : public std::enable_shared_from_this<Multi> {
 public:
  Multi(boost::asio::any_io_executor executor, long max_connections);
  ~Multi();
  Multi(const Multi&) = delete;
  Multi& operator=(const Multi&) = delete;

  /// False: curl refuses it, or close() was called.
  bool add(Transfer& transfer);
  void remove(Transfer& transfer);
  /// Ends all exchanges as given up; nothing starts any more.
  void close();

  /// Easy handles are kept: they hold the TLS sessions that make the next connection cheaper.
  CURL* take_handle();
  void give_back_handle(CURL* easy);
  const boost::asio::any_io_executor& executor() const { return executor_; }

 private:
  struct Watch;
  static int on_socket(CURL*, curl_socket_t socket, int wanted, void* self, void*);
  static int on_timer(CURLM*, long milliseconds, void* self);
  void watch(curl_socket_t socket, int wanted);
  void unwatch(curl_socket_t socket);
  void arm(const std::shared_ptr<Watch>& watch);
  void ready(const std::shared_ptr<Watch>& watch, int events);
  void act(curl_socket_t socket, int events);

  boost::asio::any_io_executor executor_;
  boost::asio::steady_timer timer_;
  CURLM* multi_;
  std::unordered_map<curl_socket_t, std::shared_ptr<Watch>> watches_;
  std::unordered_set<Transfer*> active_;
  std::vector<CURL*> spare_;
  unsigned timer_turn_{0};
  bool closed_{false};
};

}  // namespace gpuwarden::http
