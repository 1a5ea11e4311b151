#include "git_repository.hpp"

#include <filesystem>

#include <fmt/format.h>

#include "child_process.hpp"
#include "kSampleWorker.hpp"
#include "pod_files.hpp"

namespace gpuwarden::sandbox {
namespace asio = boost::asio;

namespace {

constexpr std::string_view kService = "git-upload-pack";

std::vector<std::string> git_environment(const std::string& home) {
  return {"HOME=" + home,
          "PATH=/usr/local/bin:/usr/bin:/bin",
          "GIT_CONFIG_NOSYSTEM=1",
          "GIT_AUTHOR_NAME=sandbox",
          "GIT_AUTHOR_EMAIL=sandbox@localhost",
          "GIT_COMMITTER_NAME=sandbox",
          "GIT_COMMITTER_EMAIL=sandbox@localhost"};
}

std::string worker_env(const WorkerVariant& variant) {
  return fmt::format(
      "# Changed by the sandbox's scenarios: new pods fetch it with the rest of the repository.\n"
      "WORKER_ARGS=\"{}\"\nSETUP_ERROR=\"{}\"\n",
      variant.worker_args, variant.setup_error);
}

http::ServerResponse plain(int status, std::string text) {
  http::ServerResponse response;
  response.status = status;
  response.headers = {{"content-type", "text/plain"}};
  response.body = std::move(text);
  return response;
}

}  // namespace

GitRepository::GitRepository(asio::any_io_executor executor, std::string dir)
    : executor_(std::move(executor)),
      dir_(std::move(dir)),
      bare_(dir_ + "/repo.git"),
      work_(dir_ + "/repo") {}

Result<void> GitRepository::git(const std::vector<std::string>& arguments) {
  std::vector<std::string> argv{"/usr/bin/env", "git", "-C", work_};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  const auto done = run_command(argv, git_environment(dir_));
  if (done.exit_code == 0) return {};
  return fail(ErrorKind::internal, fmt::format("git {}: {}", arguments.front(), done.output));
}

Result<void> GitRepository::create() {
  std::error_code ignored;
  for (const auto& left : {bare_, work_}) std::filesystem::remove_all(left, ignored);
  for (const auto& file : kSampleWorker)
    if (auto written = write_text(work_ + "/" + std::string(file.name), file.text, 0755); !written)
      return written;
  for (const auto& step : std::vector<std::vector<std::string>>{{"init", "-q", "-b", "main"},
                                                                {"add", "-A"},
                                                                {"commit", "-q", "-m", "Sample worker"},
                                                                {"init", "-q", "--bare", "-b", "main", bare_},
                                                                {"push", "-q", bare_, "main"}})
    if (auto done = git(step); !done) return done;
  return {};
}

Result<void> GitRepository::push(const WorkerVariant& variant) {
  if (variant == variant_) return {};
  if (auto written = write_text(work_ + "/worker.env", worker_env(variant), 0755); !written) return written;
  if (auto done = git({"commit", "-q", "--allow-empty", "-a", "-m", "Other arguments for the worker"}); !done)
    return done;
  if (auto done = git({"push", "-q", bare_, "main"}); !done) return done;
  variant_ = variant;
  return {};
}

asio::awaitable<http::ServerResponse> GitRepository::serve(http::ServerRequest request, bool broken) {
  constexpr std::string_view kBase = "/git/repo.git/";
  if (broken || !request.path.starts_with(kBase)) co_return plain(404, "repository not found");
  const auto what = request.path.substr(kBase.size());
  SpawnSpec spec;
  spec.env = git_environment(dir_);
  if (const auto protocol = request.header("git-protocol"))
    spec.env.push_back("GIT_PROTOCOL=" + std::string(*protocol));
  http::ServerResponse response;
  response.headers = {{"cache-control", "no-cache"}};
  if (request.method == "GET" && what == "info/refs") {
    const auto service = request.query.find("service");
    if (service == request.query.end() || service->second != kService) co_return plain(403, "read only");
    spec.argv = {"/usr/bin/env", "git", "upload-pack", "--stateless-rpc", "--advertise-refs", bare_};
    const auto done = co_await run_command(executor_, std::move(spec), "");
    response.headers.emplace_back("content-type", "application/x-git-upload-pack-advertisement");
    response.body = "001e# service=git-upload-pack\n0000" + done.output;
    co_return response;
  }
  if (request.method == "POST" && what == kService) {
    const bool zipped = request.header("content-encoding").value_or("") == "gzip";
    spec.argv = {
        "/bin/sh", "-c",
        (zipped ? "gzip -dc | " : "") + std::string("git upload-pack --stateless-rpc \"$0\" 2>/dev/null"),
        bare_};
    const auto done = co_await run_command(executor_, std::move(spec), std::move(request.body));
    response.headers.emplace_back("content-type", "application/x-git-upload-pack-result");
    response.body = done.output;
    co_return response;
  }
  co_return plain(404, "not found");
}

}  // namespace gpuwarden::sandbox
