#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <libssh2.h>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/base/time.hpp"

namespace gpuwarden::ssh {

/// Why a wait came to its end.
enum class Wake { ready, ping_due, deadline, cancelled, aborted, silent };

/// A TCP socket with a libssh2 session on it that never blocks: libssh2 reads and writes through callbacks of
/// ours, and drive() repeats an operation until it is through. One operation at a time.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  explicit Connection(const boost::asio::any_io_executor& executor);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  boost::asio::ip::tcp::socket& socket() { return socket_; }
  LIBSSH2_SESSION* session() { return session_; }

  /// From now on every wait ends when the time is over; returns what is left of it when it is stopped.
  void start_clock(Duration time);
  Duration stop_clock();
  /// A peer from which nothing comes for three of these is given up; one that is quiet is pinged. Zero = off.
  void watch_peer(Duration interval);

  /// Waits for the socket as libssh2's last operation needs it.
  boost::asio::awaitable<Wake> ready();
  /// Why a wait of the caller's own ended.
  Wake why_awake(const boost::asio::cancellation_state& cancellation);
  /// Lets others on the loop have their turn.
  boost::asio::awaitable<Wake> breathe();
  /// Repeats `step` while it answers LIBSSH2_ERROR_EAGAIN. The answer is its last result (an error of
  /// libssh2 as well) or why waiting ended.
  boost::asio::awaitable<Result<int>> drive(std::function<int()> step);
  /// True: a packet is half sent, and nothing but the same operation may be called.
  bool half_sent() const;
  /// A question to the peer that makes it send something.
  int ping();

  /// Ends everything at once; whoever waits is woken.
  void abort();
  bool aborted() const { return aborted_; }
  /// The first bytes that the peer sent, before anything was encrypted.
  std::string_view greeting() const { return greeting_; }
  bool busy{false};         ///< an exec is under way
  bool handshaking{false};  ///< the key exchange is under way

  Error error(int code, std::string_view doing);
  static Error error(Wake wake);

 private:
  static ssize_t on_receive(libssh2_socket_t socket, void* buffer, std::size_t length, int flags,
                            void** abstract);
  static ssize_t on_send(libssh2_socket_t socket, const void* buffer, std::size_t length, int flags,
                         void** abstract);
  boost::asio::awaitable<void> wait_writable();
  void fetch_input();
  void remember(const char* bytes, std::size_t count);
  void arm_peer_watch(Duration interval);
  void wake();

  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer clock_, peer_watch_;
  LIBSSH2_SESSION* session_;
  std::string inbox_;  // bytes read ahead while a packet was half sent
  std::size_t inbox_at_{0};
  std::string greeting_;
  std::size_t received_{0}, received_before_{0};
  int silent_for_{0};
  unsigned clock_turn_{0}, watch_turn_{0};
  bool expired_{false}, aborted_{false}, ping_due_{false}, input_ended_{false};
};

}  // namespace gpuwarden::ssh
