#include "lookup.hpp"

#include <atomic>
#include <cstring>
#include <future>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <netdb.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::ssh {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr int kMostThreads = 32;

struct Answer {
  int failed{0};  ///< of getaddrinfo
  std::vector<tcp::endpoint> endpoints;
};

Answer ask(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  Answer answer;
  answer.failed = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (answer.failed != 0) return answer;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    tcp::endpoint endpoint;
    if (entry->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), entry->ai_addr, entry->ai_addrlen);
    endpoint.resize(entry->ai_addrlen);
    endpoint.port(port);
    answer.endpoints.push_back(endpoint);
  }
  ::freeaddrinfo(found);
  return answer;
}

/// Starts the thread, which shares nothing with the loop but the descriptor that it owns. False: there are
/// too many, or the system has none to give.
bool start(int bell, std::promise<Answer> promise, std::string host, std::uint16_t port) {
  static std::atomic<int> running{0};
  if (++running > kMostThreads) {
    --running;
    return false;
  }
  try {
    std::thread([bell, promise = std::move(promise), host = std::move(host), port]() mutable {
      promise.set_value(ask(host, port));
      const std::uint64_t one = 1;
      (void)!::write(bell, &one, sizeof one);
      ::close(bell);
      --running;
    }).detach();
  } catch (const std::system_error&) {
    --running;
    return false;
  }
  return true;
}

struct Wait {
  Wait(const asio::any_io_executor& executor, int descriptor, Duration patience)
      : bell(executor, descriptor), timer(executor, patience) {}
  asio::posix::stream_descriptor bell;
  asio::steady_timer timer;
  bool rung{false};
};

}  // namespace

asio::awaitable<Result<std::vector<tcp::endpoint>>> look_up(std::string host, std::uint16_t port,
                                                            Duration patience) {
  const int ours = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  const int theirs = ours < 0 ? -1 : ::fcntl(ours, F_DUPFD_CLOEXEC, 0);
  if (theirs < 0) {
    if (ours >= 0) ::close(ours);
    co_return fail(ErrorKind::unavailable, "no descriptor for a name look-up");
  }
  const auto wait = std::make_shared<Wait>(co_await asio::this_coro::executor, ours, patience);
  std::promise<Answer> promise;
  auto answer = promise.get_future();
  if (!start(theirs, std::move(promise), std::move(host), port)) {
    ::close(theirs);
    co_return fail(ErrorKind::unavailable, "too many name look-ups hang");
  }
  wait->bell.async_wait(asio::posix::stream_descriptor::wait_read,
                        [weak = std::weak_ptr(wait)](boost::system::error_code failed) {
                          const auto alive = weak.lock();
                          if (failed || !alive) return;
                          alive->rung = true;
                          alive->timer.cancel();
                        });
  boost::system::error_code woken;
  co_await wait->timer.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  if (!wait->rung) {
    co_return fail(ErrorKind::unavailable,
                   "the name does not resolve: no answer within " + format_duration(patience));
  }
  Answer found = answer.get();
  if (found.endpoints.empty()) {
    co_return fail(ErrorKind::unavailable,
                   std::string("the name does not resolve: ") + ::gai_strerror(found.failed));
  }
  co_return std::move(found.endpoints);
}

}  // namespace gpuwarden::ssh
