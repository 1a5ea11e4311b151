#pragma once

#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/http/server.hpp"

namespace gpuwarden::sandbox {

/// What the repository's worker.env says: how new pods set up and start the worker.
struct WorkerVariant {
  std::string worker_args{"--verbose"};
  std::string setup_error;  ///< not empty: setup.sh prints it and fails
  bool operator==(const WorkerVariant&) const = default;
};

/// The sample worker's repository, made in `dir` and served over git's HTTP protocol.
class GitRepository {
 public:
  GitRepository(boost::asio::any_io_executor executor, std::string dir);
  /// Makes repo.git from the embedded files. Errors: internal, with git's words.
  Result<void> create();
  /// Pushes a commit when the variant differs from the last one.
  Result<void> push(const WorkerVariant& variant);
  /// Answers requests below /git/repo.git/; `broken`: as if the repository did not exist.
  boost::asio::awaitable<http::ServerResponse> serve(http::ServerRequest request, bool broken);

 private:
  Result<void> git(const std::vector<std::string>& arguments);
  boost::asio::any_io_executor executor_;
  std::string dir_, bare_, work_;
  WorkerVariant variant_;
};

}  // namespace gpuwarden::sandbox
