#include "execution.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace gpuwarden::ssh {
namespace {

using boost::asio::awaitable;

constexpr std::size_t kPiece = 32768;
constexpr int kPiecesPerTurn = 8;  // then the others on the loop have their turn

class Execution {
 public:
  Execution(std::shared_ptr<Connection> connection, Exec exec)
      : connection_(std::move(connection)), exec_(std::move(exec)) {
    connection_->busy = true;
  }
  ~Execution() {
    connection_->busy = false;
    if (!finished_) connection_->abort();
  }
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  awaitable<Result<ExecResult>> run(Duration keepalive) {
    connection_->start_clock(exec_.timeout);
    connection_->watch_peer(keepalive);
    if (auto started = co_await start(); !started) co_return fail(started.error());
    if (auto through = co_await pump(); !through) co_return fail(uncertain(through.error()));
    auto result = co_await end();
    if (!result) co_return fail(uncertain(result.error()));
    connection_->stop_clock();
    connection_->watch_peer(Duration{0});
    finished_ = true;
    co_return std::move(*result);
  }

 private:
  awaitable<Result<void>> start() {
    LIBSSH2_SESSION* session = connection_->session();
    const auto opened = co_await connection_->drive([&, this] {
      channel_ = libssh2_channel_open_session(session);
      return channel_ != nullptr ? 0 : libssh2_session_last_errno(session);
    });
    if (!opened) co_return fail(opened.error());
    if (*opened != 0) co_return fail(connection_->error(*opened, "SSH channel"));
    const auto asked = co_await connection_->drive([this] {
      return libssh2_channel_process_startup(channel_, "exec", 4, exec_.command.data(),
                                             static_cast<unsigned>(exec_.command.size()));
    });
    if (!asked) co_return fail(uncertain(asked.error()));
    if (*asked != 0) co_return fail(uncertain(connection_->error(*asked, "SSH command")));
    co_return Result<void>();
  }

  /// Moves input and output until the peer has closed the channel.
  awaitable<Result<void>> pump() {
    for (;;) {
      bool moved = false;
      int code = 0;
      // A half-sent packet must be finished by the operation that began it, so the turn resumes there.
      for (; code >= 0 && at_ != Stage::done; at_ = code >= 0 ? next(at_) : at_) code = perform(at_, moved);
      if (code == LIBSSH2_ERROR_EAGAIN) {  // half a packet is out: the rest of it comes first
        if (auto wait = co_await pause(); !wait) co_return fail(wait.error());
        continue;
      }
      if (code < 0) co_return fail(connection_->error(code, "SSH command"));
      at_ = Stage::feed;
      if (libssh2_channel_eof(channel_) != 0) {
        const int closed = libssh2_channel_wait_closed(channel_);
        if (closed == 0) co_return Result<void>();
        if (closed != LIBSSH2_ERROR_EAGAIN) co_return fail(connection_->error(closed, "SSH command"));
      }
      // Reading one stream may have put something of the other into libssh2's queue.
      if (!moved && libssh2_poll_channel_read(channel_, 0) != 0) moved = true;
      const auto wait = moved ? co_await breathe() : co_await pause();
      if (!wait) co_return fail(wait.error());
    }
  }

  enum class Stage { feed, out, err, done };
  static Stage next(Stage stage) { return static_cast<Stage>(static_cast<int>(stage) + 1); }
  int perform(Stage stage, bool& moved) {
    return stage == Stage::feed ? feed(moved)
                                : drain(stage == Stage::out ? 0 : SSH_EXTENDED_DATA_STDERR, moved);
  }

  /// Sends input, then its end. EAGAIN only when half a packet is out; otherwise a full window is no news.
  int feed(bool& moved) {
    for (int piece = 0; piece < kPiecesPerTurn && fed_ < exec_.stdin_data.size(); ++piece) {
      const auto put = libssh2_channel_write(channel_, exec_.stdin_data.data() + fed_,
                                             std::min(exec_.stdin_data.size() - fed_, kPiece));
      if (put <= 0) return settle(static_cast<int>(put));
      fed_ += static_cast<std::size_t>(put);
      moved = true;
    }
    if (fed_ < exec_.stdin_data.size() || end_sent_) return 0;
    const int code = libssh2_channel_send_eof(channel_);
    end_sent_ = code == 0;
    moved = moved || end_sent_;
    return settle(code);
  }

  /// Takes what has come on standard output (0) or error (1).
  int drain(int stream, bool& moved) {
    const auto& take = stream == 0 ? exec_.on_stdout : exec_.on_stderr;
    for (int piece = 0; piece < kPiecesPerTurn; ++piece) {
      const auto got = libssh2_channel_read_ex(channel_, stream, buffer_.data(), buffer_.size());
      if (got <= 0) return settle(static_cast<int>(got));
      moved = true;
      if (take) take({buffer_.data(), static_cast<std::size_t>(got)});
    }
    return 0;
  }

  int settle(int code) const { return code == LIBSSH2_ERROR_EAGAIN && !connection_->half_sent() ? 0 : code; }

  awaitable<Result<void>> pause() {
    const Wake wake = co_await connection_->ready();
    if (wake == Wake::ping_due && !connection_->half_sent()) {
      const int code = connection_->ping();
      if (code != 0) co_return fail(connection_->error(code, "SSH keepalive"));
      // A ping of a few bytes that does not fit: nothing has been taken for a long time.
      if (connection_->half_sent()) co_return fail(Connection::error(Wake::silent));
    } else if (wake != Wake::ready && wake != Wake::ping_due) {
      co_return fail(Connection::error(wake));
    }
    co_return Result<void>();
  }

  awaitable<Result<void>> breathe() {
    const Wake wake = co_await connection_->breathe();
    if (wake != Wake::ready && wake != Wake::ping_due) co_return fail(Connection::error(wake));
    co_return Result<void>();
  }

  awaitable<Result<ExecResult>> end() {
    const auto closed = co_await connection_->drive([this] { return libssh2_channel_close(channel_); });
    if (!closed) co_return fail(closed.error());
    ExecResult result;
    char* signal = nullptr;
    std::size_t length = 0;
    libssh2_channel_get_exit_signal(channel_, &signal, &length, nullptr, nullptr, nullptr, nullptr);
    if (signal != nullptr) {
      result.exit_signal.assign(signal, length);
      libssh2_free(connection_->session(), signal);
    }
    if (result.exit_signal.empty()) result.exit_status = libssh2_channel_get_exit_status(channel_);
    const auto freed = co_await connection_->drive([this] { return libssh2_channel_free(channel_); });
    if (!freed) co_return fail(freed.error());
    co_return result;
  }

  /// Once the command was asked for it may be running.
  static Error uncertain(Error error) {
    if (error.kind == ErrorKind::unavailable) error.kind = ErrorKind::ambiguous;
    return error;
  }

  std::shared_ptr<Connection> connection_;
  Exec exec_;
  LIBSSH2_CHANNEL* channel_{nullptr};
  std::size_t fed_{0};
  Stage at_{Stage::feed};
  bool end_sent_{false}, finished_{false};
  std::array<char, kPiece> buffer_{};
};

}  // namespace

awaitable<Result<ExecResult>> execute(std::shared_ptr<Connection> connection, Exec exec, Duration keepalive) {
  Execution execution(std::move(connection), std::move(exec));
  co_return co_await execution.run(keepalive);
}

}  // namespace gpuwarden::ssh
