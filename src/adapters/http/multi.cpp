#include "multi.hpp"

#include <chrono>
#include <new>
#include <utility>

#include "transfer.hpp"

namespace gpuwarden::http {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kMostSpareHandles = 16;

void initialize_curl() {
  static const CURLcode once = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (once != CURLE_OK) throw std::bad_alloc();
}

}  // namespace

/// A descriptor that curl owns and Asio borrows. Handlers that outlive it find `gone` set.
struct Multi::Watch {
  Watch(const asio::any_io_executor& executor, curl_socket_t number) : socket(number), descriptor(executor) {}
  curl_socket_t socket;
  asio::posix::stream_descriptor descriptor;
  int wanted{0};
  bool reading{false}, writing{false}, gone{false};
};

Multi::Multi(asio::any_io_executor executor, long max_connections)
    : executor_(std::move(executor)), timer_(executor_) {
  initialize_curl();
  multi_ = curl_multi_init();
  if (multi_ == nullptr) throw std::bad_alloc();
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Multi::on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Multi::on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
  // A limit for each host: log streams of one service must not keep the other service's calls waiting.
  curl_multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS, max_connections);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, 4 * max_connections);
}

Multi::~Multi() {
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, nullptr);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, nullptr);
  while (!watches_.empty()) unwatch(watches_.begin()->first);
  for (CURL* easy : spare_) curl_easy_cleanup(easy);
  curl_multi_cleanup(multi_);
}

bool Multi::add(Transfer& transfer) {
  if (closed_ || curl_multi_add_handle(multi_, transfer.handle()) != CURLM_OK) return false;
  active_.insert(&transfer);
  return true;
}

void Multi::remove(Transfer& transfer) {
  active_.erase(&transfer);
  curl_multi_remove_handle(multi_, transfer.handle());
}

void Multi::close() {
  closed_ = true;
  for (Transfer* transfer : active_) transfer->give_up();
}

CURL* Multi::take_handle() {
  if (spare_.empty()) {
    CURL* easy = curl_easy_init();
    if (easy == nullptr) throw std::bad_alloc();
    return easy;
  }
  CURL* easy = spare_.back();
  spare_.pop_back();
  return easy;
}

void Multi::give_back_handle(CURL* easy) {
  if (spare_.size() >= kMostSpareHandles) {
    curl_easy_cleanup(easy);
    return;
  }
  curl_easy_reset(easy);
  spare_.push_back(easy);
}

int Multi::on_socket(CURL* /*easy*/, curl_socket_t socket, int wanted, void* self, void* /*unused*/) {
  auto& multi = *static_cast<Multi*>(self);
  if (wanted == CURL_POLL_REMOVE) {
    multi.unwatch(socket);
  } else {
    multi.watch(socket, wanted);
  }
  return 0;
}

int Multi::on_timer(CURLM* /*multi*/, long milliseconds, void* self) {
  auto& multi = *static_cast<Multi*>(self);
  const unsigned turn = ++multi.timer_turn_;
  if (milliseconds < 0) {
    multi.timer_.cancel();
    return 0;
  }
  multi.timer_.expires_after(std::chrono::milliseconds(milliseconds));
  multi.timer_.async_wait([weak = multi.weak_from_this(), turn](boost::system::error_code) {
    const auto alive = weak.lock();
    if (alive && turn == alive->timer_turn_) alive->act(CURL_SOCKET_TIMEOUT, 0);
  });
  return 0;
}

void Multi::watch(curl_socket_t socket, int wanted) {
  auto& place = watches_[socket];
  if (!place) {
    place = std::make_shared<Watch>(executor_, socket);
    boost::system::error_code failed;
    place->descriptor.assign(socket, failed);
    // Without a watch the transfer runs into its deadline, which is an error that everybody handles.
    if (failed) {
      watches_.erase(socket);
      return;
    }
  }
  place->wanted = wanted;
  arm(place);
}

void Multi::unwatch(curl_socket_t socket) {
  const auto found = watches_.find(socket);
  if (found == watches_.end()) return;
  found->second->gone = true;
  if (found->second->descriptor.is_open()) found->second->descriptor.release();
  watches_.erase(found);
}

void Multi::arm(const std::shared_ptr<Watch>& watch) {
  const auto wait = [this, &watch](asio::posix::stream_descriptor::wait_type type, bool Watch::*waiting,
                                   int event) {
    if (std::exchange((*watch).*waiting, true)) return;
    watch->descriptor.async_wait(
        type, [weak = weak_from_this(), watch, waiting, event](boost::system::error_code failed) {
          (*watch).*waiting = false;
          const auto alive = weak.lock();
          if (!alive || watch->gone || failed == asio::error::operation_aborted) return;
          alive->ready(watch, failed ? CURL_CSELECT_ERR : event);
        });
  };
  if ((watch->wanted & CURL_POLL_IN) != 0) {
    wait(asio::posix::stream_descriptor::wait_read, &Watch::reading, CURL_CSELECT_IN);
  }
  if ((watch->wanted & CURL_POLL_OUT) != 0) {
    wait(asio::posix::stream_descriptor::wait_write, &Watch::writing, CURL_CSELECT_OUT);
  }
}

void Multi::ready(const std::shared_ptr<Watch>& watch, int events) {
  const int wanted = ((watch->wanted & CURL_POLL_IN) != 0 ? CURL_CSELECT_IN : 0) |
                     ((watch->wanted & CURL_POLL_OUT) != 0 ? CURL_CSELECT_OUT : 0) | CURL_CSELECT_ERR;
  if ((events & wanted) == 0) return;  // curl has lost interest since the wait began
  act(watch->socket, events & wanted);
  if (!watch->gone) arm(watch);
}

void Multi::act(curl_socket_t socket, int events) {
  int running = 0;
  curl_multi_socket_action(multi_, socket, events, &running);
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    Transfer* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    if (transfer != nullptr) transfer->ended(message->data.result);
  }
}

}  // namespace gpuwarden::http
