#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "gpuwarden/base/result.hpp"

namespace gpuwarden::sandbox {

struct PostgresOptions {
  std::string dir;  ///< data and log lie in it; made when missing
  /// What anon, authenticated and service_role get on new objects: everything, as in projects made before
  /// 2026-10-30, or nothing.
  bool open_defaults{true};
};

/// A private PostgreSQL server on loopback with Supabase's roles. As root it runs as another user, since
/// PostgreSQL refuses root. It dies with this process, however that ends.
class Postgres {
 public:
  Postgres(boost::asio::any_io_executor executor, PostgresOptions options);
  /// Kills the server when stop() was not called.
  ~Postgres();
  Postgres(const Postgres&) = delete;
  Postgres& operator=(const Postgres&) = delete;

  /// Errors: unavailable when PostgreSQL 15 is not installed, internal with the words of its log.
  boost::asio::awaitable<Result<void>> start();
  boost::asio::awaitable<void> stop();

  /// A database as a new Supabase project has it, owned by role postgres, replacing one of that name. With
  /// `like`, a copy of that database, to which nobody may be connected.
  boost::asio::awaitable<Result<void>> create_database(std::string name, std::string like = "");
  /// All our migrations, as role postgres, in one transaction.
  boost::asio::awaitable<Result<void>> migrate(std::string database);
  /// Runs statements in one session; returns unaligned rows, one a line. Errors: internal, with psql's words.
  boost::asio::awaitable<Result<std::string>> query(std::string database, std::string sql,
                                                    std::string_view role = kSuperuser);

  static constexpr std::string_view kSuperuser = "supabase_admin";
  static constexpr std::string_view kOwner = "postgres";
  static constexpr std::string_view kAuthenticator = "authenticator";

  /// postgresql://role:password@127.0.0.1:port/database
  std::string url(std::string_view database, std::string_view role = kSuperuser) const;
  std::uint16_t port() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gpuwarden::sandbox
