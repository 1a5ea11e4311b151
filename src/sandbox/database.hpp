#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/sandbox/scenario.hpp"

namespace gpuwarden::sandbox {

/// The Supabase side of a sandbox: PostgreSQL with our migrations, PostgREST and the gateway in front of it.
class Database {
 public:
  Database(boost::asio::any_io_executor executor, std::string dir);
  ~Database();

  boost::asio::awaitable<Result<void>> start();
  boost::asio::awaitable<void> stop();

  std::string supabase_url() const;
  std::string database_url() const;  ///< superuser, for psql
  std::string secret_key() const;
  std::string publishable_key() const;

  /// Outage or lost heartbeats, as the scenario says; anything else means that all is well.
  void apply(const Scenario& scenario);
  /// Rows of a query, unaligned, one a line. Errors: internal, with psql's words.
  boost::asio::awaitable<Result<std::string>> query(std::string sql);
  /// Requests to the gateway so far, by function or route.
  const std::map<std::string, long>& requests() const;

  boost::asio::awaitable<Result<std::vector<std::string>>> add_tasks(int count, double seconds);
  /// JSON: number of tasks by status in lower case, "completed_twice", "total".
  boost::asio::awaitable<Result<std::string>> task_counts();
  /// JSON array of tasks, newest first.
  boost::asio::awaitable<Result<std::string>> task_list();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gpuwarden::sandbox
