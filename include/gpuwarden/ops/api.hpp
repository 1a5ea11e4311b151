#pragma once

#include <string>
#include <string_view>

#include "gpuwarden/control/loop.hpp"
#include "gpuwarden/ports/pod_provider.hpp"

namespace gpuwarden::ops {

/// Facts about the process that no room below knows.
struct ProcessFacts {
  std::string version;
  long pid{0};
  WallTime started_at{};
};

struct Answer {
  int status{200};
  std::string content_type{"application/json"};
  std::string body;
};

/// Answers for the control socket and the loopback listener: GET /v1/status, /v1/plan, /v1/explain,
/// /v1/explain/WORKER, /healthz, /metrics, / (a page for people). Read-only; bounded work; nothing secret is
/// in it.
class Api {
 public:
  Api(const control::ControlLoop& loop, const ports::PodProvider& provider, const ports::Clock& clock,
      ProcessFacts facts);
  Answer get(std::string_view path) const;

 private:
  const control::ControlLoop& loop_;
  const ports::PodProvider& provider_;
  const ports::Clock& clock_;
  ProcessFacts facts_;
};

}  // namespace gpuwarden::ops
