#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "gpuwarden/base/result.hpp"

namespace gpuwarden::sandbox {

struct PostgrestOptions {
  std::string database_url;  ///< as role authenticator
  std::string jwt_secret;    ///< at least 32 characters
  std::string log_path;
  int max_rows{1000};  ///< what a Supabase project has
};

/// The real PostgREST on a loopback port. It dies with this process, however that ends.
class Postgrest {
 public:
  Postgrest(boost::asio::any_io_executor executor, PostgrestOptions options);
  ~Postgrest();
  Postgrest(const Postgrest&) = delete;
  Postgrest& operator=(const Postgrest&) = delete;

  /// Returns once it answers. Errors: unavailable when the binary is not there, internal with its log.
  boost::asio::awaitable<Result<void>> start();
  boost::asio::awaitable<void> stop();
  std::string url() const;  ///< http://127.0.0.1:port

  /// $GPUWARDEN_POSTGREST, else deploy/npm/node_modules of the repository or of a folder above this program.
  static Result<std::string> binary();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gpuwarden::sandbox
