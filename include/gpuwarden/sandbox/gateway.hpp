#pragma once

#include <map>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/base/time.hpp"

namespace gpuwarden::sandbox {

/// What a project's API looks like when its database or the way to it is in trouble.
enum class Outage {
  none,
  down,        ///< connections are closed without an answer
  html520,     ///< the edge answers with its HTML page
  unreadable,  ///< reads and the daemon's reading functions get 503 PGRST001, writes work
  unwritable   ///< every transaction is read-only: writes get 25006 from the database itself
};

/// What of the requests with the publishable key gets an answer.
enum class PodAccess {
  all,
  pings,  ///< a pod's preflight finds the database, and nothing else does
  none    ///< pods cannot reach the database
};

struct GatewayOptions {
  std::string postgrest_url;
  std::string jwt_secret;       ///< the one PostgREST checks
  std::string secret_key;       ///< sb_secret_...
  std::string publishable_key;  ///< sb_publishable_...
};

/// Supabase's gateway: its paths and key rules in front of PostgREST, and the edge function task-counts.
class Gateway {
 public:
  Gateway(const boost::asio::any_io_executor& executor, GatewayOptions options);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  /// Listens on a free loopback port. Errors: unavailable.
  Result<void> start();
  void stop();
  std::string url() const;  ///< SUPABASE_URL

  std::string legacy_anon_key() const;     ///< a JWT, as projects had before the sb_ keys
  std::string legacy_service_key() const;  ///< the same with role service_role

  void set_outage(Outage outage);
  /// Every answer waits this long before it is sent.
  void set_delay(Duration delay);
  void cut_off_pods(PodAccess left);

  /// Requests so far, by function ("gpuwarden_snapshot"), or "GET /tasks" for others; refused ones included.
  const std::map<std::string, long>& requests() const;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

/// Random keys of a project.
struct ProjectKeys {
  std::string secret, publishable, jwt_secret;
};
ProjectKeys make_project_keys();

}  // namespace gpuwarden::sandbox
