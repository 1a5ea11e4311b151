#include "handshake.hpp"

#include <array>
#include <optional>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "host_key.hpp"
#include "reach.hpp"

namespace gpuwarden::ssh {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using Limit = HandshakeLimit::Impl;

/// A host that has not even spoken by then waits without a slot, so that dead hosts hold up nobody.
constexpr auto kSlotForSilentHost = std::chrono::seconds(1);

// By default libssh2 takes ECDSA before Ed25519, and a pin of the one does not fit the other.
constexpr const char* kEd25519First =
    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,ssh-rsa";
constexpr const char* kEcdsaFirst =
    "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,ssh-ed25519,ssh-rsa";

class Attempt {
 public:
  Attempt(const asio::any_io_executor& executor, std::shared_ptr<Limit> limit, const Target& target,
          const char* key_types)
      : connection_(std::make_shared<Connection>(executor)),
        limit_(std::move(limit)),
        target_(target),
        key_types_(key_types) {}

  awaitable<Result<Established>> run(Duration time) {
    auto turn = co_await limit_->acquire(target_.slot_wait);
    if (!turn) co_return fail(turn.error());
    Limit::Slot slot = std::move(*turn);
    connection_->start_clock(time);
    if (auto reached = co_await reach_with(slot); !reached) co_return fail(reached.error());
    if (!slot) {
      const Duration left = connection_->stop_clock();
      turn = co_await limit_->acquire(target_.slot_wait);
      if (!turn) co_return fail(turn.error());
      slot = std::move(*turn);
      connection_->start_clock(left);
    }
    auto established = co_await introduce();
    left_ = connection_->stop_clock();
    co_return established;
  }

  bool wrong_host_key() const { return wrong_host_key_; }
  Duration left() const { return left_; }

 private:
  /// Reaches the host; the slot goes when that takes long.
  awaitable<Result<void>> reach_with(Limit::Slot& slot) {
    const auto held = std::make_shared<Limit::Slot*>(&slot);
    asio::steady_timer patience(co_await asio::this_coro::executor, kSlotForSilentHost);
    patience.async_wait([weak = std::weak_ptr(held)](boost::system::error_code) {
      if (const auto alive = weak.lock()) (*alive)->reset();
    });
    co_return co_await reach(connection_, target_);
  }

  awaitable<Result<Established>> introduce() {
    LIBSSH2_SESSION* session = connection_->session();
    libssh2_session_method_pref(session, LIBSSH2_METHOD_HOSTKEY, key_types_);
    const auto socket = connection_->socket().native_handle();
    connection_->handshaking = true;
    const auto shaken =
        co_await connection_->drive([=] { return libssh2_session_handshake(session, socket); });
    if (!shaken) co_return fail(shaken.error());
    connection_->handshaking = false;
    if (*shaken != 0) co_return fail(handshake_error(*shaken));
    Established done{connection_, host_key_fingerprint(session)};
    if (!is_pinned(target_.host_key_sha256, done.host_key)) {
      wrong_host_key_ = true;
      // Diagnosis knows these words.
      co_return fail(ErrorKind::conflict,
                     fmt::format("the host key {} does not match any of the {} that are pinned for this pod",
                                 done.host_key, target_.host_key_sha256.size()));
    }
    if (auto in = co_await authenticate(session); !in) co_return fail(in.error());
    co_return done;
  }

  Error handshake_error(int code) {
    Error error = connection_->error(code, "SSH handshake");
    const std::string_view offered = offered_host_key_types(connection_->greeting());
    if (code == LIBSSH2_ERROR_KEX_FAILURE && !offered.empty() && !has_common_name(offered, key_types_)) {
      // Not "host key": by these words diagnosis knows a wrong one.
      error.message = fmt::format(
          "SSH handshake: the host has keys of the types {} only, and libssh2 takes ed25519 and ECDSA: let "
          "the "
          "image run `ssh-keygen -A` before it starts sshd",
          ellipsize(printable(offered), 120));
    }
    return error;
  }

  awaitable<Result<void>> authenticate(LIBSSH2_SESSION* session) {
    const std::string_view key = target_.private_key.reveal();
    const std::string passphrase(target_.passphrase.reveal());
    const auto code = co_await connection_->drive([&, this] {
      return libssh2_userauth_publickey_frommemory(session, target_.user.data(), target_.user.size(), nullptr,
                                                   0, key.data(), key.size(),
                                                   passphrase.empty() ? nullptr : passphrase.c_str());
    });
    if (!code) co_return fail(code.error());
    if (*code != 0) {
      Error error = connection_->error(*code, "SSH authentication");
      // Past the handshake, what cannot be parsed is our own key.
      if (*code == LIBSSH2_ERROR_PROTO) error.kind = ErrorKind::invalid_input;
      co_return fail(std::move(error));
    }
    co_return Result<void>();
  }

  std::shared_ptr<Connection> connection_;
  std::shared_ptr<Limit> limit_;
  const Target& target_;
  const char* key_types_;
  Duration left_{0};
  bool wrong_host_key_{false};
};

}  // namespace

awaitable<Result<Established>> establish(asio::any_io_executor executor, std::shared_ptr<Limit> limit,
                                         Target target) {
  const std::string where = fmt::format("SSH {}@{}:{}", target.user, target.host, target.port);
  std::optional<Error> mismatch;
  Duration time = target.timeout;
  for (const char* key_types : {kEd25519First, kEcdsaFirst}) {
    Attempt attempt(executor, limit, target, key_types);
    auto established = co_await attempt.run(time);
    if (established) co_return std::move(*established);
    if (!attempt.wrong_host_key()) {
      // A host that showed a wrong key and then nothing is still one that showed a wrong key.
      const bool cancelled = established.error().kind == ErrorKind::cancelled;
      co_return fail((mismatch && !cancelled ? *mismatch : established.error()).within(where));
    }
    // The host may own several keys and the pin be of another type.
    if (!mismatch) mismatch = established.error();
    time = attempt.left();
  }
  co_return fail(mismatch->within(where));
}

}  // namespace gpuwarden::ssh
