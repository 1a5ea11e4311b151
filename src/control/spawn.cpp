#include "spawn.hpp"

#include <utility>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "failure.hpp"
#include "redaction.hpp"
#include "scripts.hpp"

namespace gpuwarden::control {
namespace {

using boost::asio::awaitable;
using Outcome = Result<std::string>;

/// How long no create is tried after one that could not be sent, unless the service names a time.
constexpr Duration kUnsentPause = std::chrono::seconds(30);
/// A process that stood still between intent and create must not ask for a pod that a successor has given up.
/// Above the deadline of a call to the database, below the patience with pods that show late.
constexpr Duration kIntentIsFresh = std::chrono::seconds(30);
constexpr int kBadRequest = 400, kForbidden = 403;

/// The end of a spawn that surely has no pod and is nobody's fault.
awaitable<Outcome> end_without_pod(Context& context, WorkerId worker, std::string why) {
  context.note({policy::Note::Kind::no_pod, {}, {}, context.env.clock.now(), worker, {}});
  ports::WorkerChange change;
  change.worker = worker;
  change.expected = {WorkerStatus::spawning};
  change.status = WorkerStatus::terminated;
  change.phase = Phase::gone;
  change.end_reason = redacted(context.env, why);
  const auto ended = co_await context.env.store.update_worker(context.fence(), std::move(change));
  if (!ended) co_return fail(ended.error().within(why));
  co_return fail(ErrorKind::refused, why);
}

/// A spawn that surely has no pod, with a cause to remember.
awaitable<Outcome> fail_spawn(Context& context, WorkerId worker, FailureCause cause, int status,
                              std::string detail, bool counts = true) {
  context.note({policy::Note::Kind::no_pod, {}, {}, context.env.clock.now(), worker, {}});
  Failure failure;
  failure.counts_as_start = counts;
  failure.worker = worker;
  failure.suspected = cause;
  failure.evidence.worker = worker.str();
  failure.evidence.phase = to_string(Phase::intent);
  failure.evidence.channel = channel::runpod_api;
  failure.evidence.api =
      Evidence::ApiAnswer{"runpod", status == 0 ? std::nullopt : std::optional<int>(status), detail};
  const auto failed = co_await fail_worker(context, std::move(failure));
  if (!failed) co_return fail(failed.error());
  co_return fail(ErrorKind::refused, fmt::format("{}: {}", to_string(cause), detail));
}

using policy::Note;

/// Continues the protocol by what the create answered.
struct AfterCreate {
  Context& context;
  SpawnWorker action;

  awaitable<Outcome> operator()(PodCreated created) {
    context.note({Note::Kind::created, action.placement, {}, context.env.clock.now(), {}, {}});
    context.workers[action.worker].pod = created.pod.id;
    ports::WorkerChange change;
    change.worker = action.worker;
    change.expected = {WorkerStatus::spawning};
    change.phase = Phase::provisioning;
    change.pod = created.pod.id;
    change.cost_per_hr = created.pod.cost_per_hr;
    const auto adopted = co_await context.env.store.update_worker(context.fence(), std::move(change));
    const std::string unwritten = "pod " + created.pod.id.str() + " created, id not written down";
    if (!adopted) co_return fail(adopted.error().within(unwritten));
    if (*adopted == ports::CasOutcome::lost)
      co_return fail(ErrorKind::conflict,
                     unwritten +
                         ": the row has changed meanwhile, or another daemon leads; the pod is found by "
                         "its name");
    co_return fmt::format("pod {} on {} {}", created.pod.id.str(), action.placement.gpu,
                          action.placement.data_center);
  }
  awaitable<Outcome> operator()(const CreateNoCapacity& answer) {
    context.note({Note::Kind::no_capacity, action.placement, answer.detail, context.env.clock.now(), {}, {}});
    return fail_spawn(context, action.worker, FailureCause::no_capacity, 400, answer.detail);
  }
  awaitable<Outcome> operator()(const CreateNoBalance& answer) {
    context.note({Note::Kind::no_balance, {}, {}, context.env.clock.now(), {}, {}});
    return fail_spawn(context, action.worker, FailureCause::insufficient_balance, 402, answer.detail);
  }
  awaitable<Outcome> operator()(CreateInvalid answer) {
    // A rule of the service may concern this candidate alone: the others are tried first.
    if (answer.http_status == kBadRequest) {
      return refused(FailureCause::invalid_request, answer.http_status, std::move(answer.detail));
    }
    return fail_spawn(context, action.worker, FailureCause::invalid_request, answer.http_status,
                      answer.detail);
  }
  awaitable<Outcome> operator()(CreateUnauthorized answer) {
    // 401 is about the key, 403 about what it may rent.
    if (answer.http_status == kForbidden) {
      return refused(FailureCause::unauthorized, answer.http_status, std::move(answer.detail));
    }
    return fail_spawn(context, action.worker, FailureCause::unauthorized, answer.http_status, answer.detail);
  }
  awaitable<Outcome> operator()(const CreateRateLimited& answer) {
    context.note({Note::Kind::rate_limited,
                  {},
                  {},
                  context.env.clock.now() + answer.retry_after.value_or(kUnsentPause)});
    return end_without_pod(context, action.worker, "Runpod's request quota is used up: " + answer.detail);
  }
  awaitable<Outcome> operator()(const CreateNotSent& answer) {
    context.note({Note::Kind::rate_limited, {}, {}, context.env.clock.now() + kUnsentPause, {}, {}});
    return end_without_pod(context, action.worker, "the create was not sent: " + answer.detail);
  }
  awaitable<Outcome> operator()(CreateAmbiguous answer) {
    ports::WorkerChange change;
    change.worker = action.worker;
    change.expected = {WorkerStatus::spawning};
    change.phase = Phase::unknown;
    const auto marked = co_await context.env.store.update_worker(context.fence(), std::move(change));
    if (!marked) co_return fail(marked.error().within("ambiguous create not written down"));
    co_return fail(ErrorKind::ambiguous,
                   fmt::format("the create may have worked ({} {}); waiting for the pod by name",
                               answer.http_status, answer.detail));
  }
  /// This candidate is set aside; that is no failed start of the fleet.
  awaitable<Outcome> refused(FailureCause cause, int status, std::string detail) {
    context.note({Note::Kind::refused, action.placement, detail, context.env.clock.now(), {}, {}});
    return fail_spawn(context, action.worker, cause, status, std::move(detail), false);
  }
};

}  // namespace

PodSpec pod_spec(const LoopSettings& settings, const WorkerId& worker, const Placement& placement) {
  PodSpec spec;
  spec.name = worker.str();
  spec.placement = placement;
  spec.image = settings.control.image;
  spec.template_id = settings.control.template_id;
  spec.registry_id = settings.control.registry_id;
  spec.container_disk_gb = settings.control.container_disk_gb;
  spec.persistent_disk_gb = placement.volume_id.empty() ? settings.control.persistent_disk_gb : 0;
  spec.mount_path = settings.control.mount_path;
  spec.min_vcpu = settings.control.min_vcpu;
  spec.min_memory_gb = settings.control.min_memory_gb;
  spec.min_cuda = settings.control.min_cuda;
  spec.ssh_public_key = settings.ssh_public_key;
  spec.env = {{"WORKER_ID", worker.str()},
              {"GPUWARDEN_OWNER", settings.control.owner},
              {"RUN_TYPE", "gpu"},
              {"PUBLIC_KEY", settings.ssh_public_key}};
  return spec;
}

awaitable<Outcome> spawn_worker(Context& context, SpawnWorker action, std::string reason) {
  // As they are now: SIGHUP may change the settings while the intent is being committed.
  const auto settings = settings_of(context, action.last_good ? context.good_script : "");
  if (!settings) co_return fail(ErrorKind::refused, "the settings of the last good script are not at hand");
  const std::string script = settings->policy.script_hash;
  const PodSpec spec = pod_spec(*settings, action.worker, action.placement);
  ports::Registration registration;
  registration.worker = action.worker;
  registration.placement = action.placement;
  registration.image = spec.image;
  registration.script_hash = script;
  registration.generation = action.generation;
  registration.canary = action.canary;
  registration.cost_per_hr = action.placement.price_per_hr;
  Worker expected;
  expected.id = action.worker;
  expected.placement = action.placement;
  expected.canary = action.canary;
  expected.generation = action.generation;
  expected.cost_per_hr = action.placement.price_per_hr;
  expected.script_hash = script;
  context.workers[action.worker] = std::move(expected);  // until the next snapshot shows the row
  const MonoTime began = context.env.clock.now();
  const auto registered =
      co_await context.env.store.register_worker(context.fence(), std::move(registration));
  const Duration took = context.env.clock.now() - began;
  if (!registered) {
    context.note({policy::Note::Kind::no_pod, {}, {}, context.env.clock.now(), action.worker, {}});
    co_return fail(registered.error().within("the intent was not committed, nothing asked of Runpod"));
  }
  if (*registered == ports::CasOutcome::lost) co_return fail(ErrorKind::conflict, "another daemon leads");
  if (took > kIntentIsFresh)
    co_return co_await end_without_pod(
        context, action.worker,
        fmt::format("committing the intent took {}, no pod was asked for", format_duration(took)));
  context.env.log.info("spawning", reason,
                       {{"worker", action.worker.str()},
                        {"gpu", action.placement.gpu},
                        {"data_center", action.placement.data_center},
                        {"canary", action.canary ? "true" : "false"}});
  ports::CreateOutcome answer = co_await context.env.provider.create(spec);
  AfterCreate after{context, action};
  co_return co_await std::visit([&](auto outcome) { return after(std::move(outcome)); }, std::move(answer));
}

}  // namespace gpuwarden::control
