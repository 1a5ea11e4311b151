#include "gpuwarden/control/pod_checkup.hpp"

#include <algorithm>
#include <exception>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/bootstrap/script.hpp"
#include "gpuwarden/bootstrap/status_line.hpp"
#include "gpuwarden/diagnosis/diagnose.hpp"

#include "bring_up_runner.hpp"
#include "checkup_pods.hpp"
#include "offer_book.hpp"
#include "spawn.hpp"

namespace gpuwarden::control {
namespace {

using boost::asio::awaitable;
using namespace std::chrono_literals;

constexpr Duration kWhole = 12min;
constexpr Duration kProvision = 10min;
constexpr Duration kConnect = 3min;
constexpr Duration kPreflight = 3min;
constexpr int kHostKeyReads = 3;

class Checkup {
 public:
  Checkup(Environment environment, LoopSettings settings, PodCheckupHooks hooks)
      : context_(std::move(environment), std::move(settings)),
        hooks_(std::move(hooks)),
        pods_(context_, hooks_.waiting),
        began_(context_.env.clock.now()) {}

  awaitable<PodCheckup> run() {
    std::exception_ptr failure;
    try {
      co_await sweep();
      if (co_await rent()) co_await examine_in_time();
    } catch (...) {
      failure = std::current_exception();
    }
    co_await end();
    if (failure) std::rethrow_exception(failure);
    report_.took = context_.env.clock.now() - began_;
    co_return std::move(report_);
  }

 private:
  void tell(PodFinding finding) {
    finding.detail = context_.env.redact ? context_.env.redact(finding.detail) : finding.detail;
    if (hooks_.found) hooks_.found(finding);
    report_.findings.push_back(std::move(finding));
  }
  void right(std::string check, std::string detail) {
    tell({std::move(check), true, std::move(detail), "", false});
  }
  void wrong(std::string check, std::string detail, std::string remedy, bool unreachable = false) {
    tell({std::move(check), false, std::move(detail), std::move(remedy), unreachable});
  }
  void wrong(std::string check, std::string detail, FailureCause cause) {
    wrong(std::move(check), std::move(detail), std::string(facts(cause).advice));
  }

  awaitable<void> called_off() {
    if (hooks_.called_off) co_return co_await hooks_.called_off();
    co_await context_.env.clock.sleep_for(24h);
  }

  /// What a check-up left behind that was killed.
  awaitable<void> sweep() {
    const auto left = co_await pods_.sweep(context_.settings.control.owner);
    if (!left) {
      wrong("left-overs", "the pods could not be listed: " + left.error().message, "gpuwarden doctor", true);
    } else if (!left->empty()) {
      right("left-overs", "deleted, of an earlier doctor --pod: " + *left);
    }
  }

  /// One create after the other, until a candidate has capacity. A create that is under way is waited for,
  /// whoever calls: its pod has to be known.
  awaitable<bool> rent() {
    OfferBook book;
    const std::vector<policy::Offer> offers = co_await book.current(context_);
    if (offers.empty()) {
      wrong("capacity", "no place to ask for a pod: no GPU type, volume or data centre matches",
            "gpuwarden doctor");
      co_return false;
    }
    std::string without;
    for (const policy::Offer& offer : offers) {
      name_ = make_doctor_name(context_.settings.control.owner, context_.env.clock.wall());
      report_.name = name_.str();
      pods_.asked_for(name_);
      const PodSpec spec = pod_spec(context_.settings, name_, offer.placement);
      ports::CreateOutcome answer = co_await context_.env.provider.create(spec);
      if (auto* created = std::get_if<PodCreated>(&answer)) {
        take(created->pod, offer.placement);
        right("capacity",
              fmt::format("{} {} for {}/h{}", report_.gpu, report_.data_center, format_usd(price_),
                          without.empty() ? "" : "; no capacity on " + without));
        co_return true;
      }
      if (std::holds_alternative<CreateAmbiguous>(answer)) {
        const auto found = co_await pods_.find(name_);
        if (!found) {
          wrong("capacity", std::get<CreateAmbiguous>(answer).detail, "gpuwarden doctor --pod   (again)",
                true);
          co_return false;
        }
        take(*found, offer.placement);
        right("capacity", "the create got no answer, but the pod is there");
        co_return true;
      }
      pods_.surely_none();
      if (!std::holds_alternative<CreateNoCapacity>(answer)) {
        refuse(answer);
        co_return false;
      }
      without += fmt::format("{}{} {}", without.empty() ? "" : ", ", offer.placement.gpu,
                             offer.placement.data_center);
    }
    wrong("capacity", "none on " + without, FailureCause::no_capacity);
    co_return false;
  }

  void take(const Pod& pod, const Placement& placement) {
    placement_ = placement;
    pod_ = pod.id;
    pods_.rented(pod.id);
    price_ = pod.cost_per_hr > 0 ? pod.cost_per_hr : placement.price_per_hr;
    rented_at_ = context_.env.clock.now();
    report_.pod = pod.id.str();
    report_.gpu = placement.gpu;
    report_.data_center = pod.data_center.empty() ? placement.data_center : pod.data_center;
  }

  void refuse(const ports::CreateOutcome& answer) {
    if (const auto* balance = std::get_if<CreateNoBalance>(&answer))
      return wrong("capacity", balance->detail, FailureCause::insufficient_balance);
    if (const auto* key = std::get_if<CreateUnauthorized>(&answer))
      return wrong("capacity", key->detail, FailureCause::unauthorized);
    if (const auto* request = std::get_if<CreateInvalid>(&answer))
      return wrong("capacity", request->detail, FailureCause::invalid_request);
    if (const auto* late = std::get_if<CreateRateLimited>(&answer))
      return wrong("capacity", late->detail, "gpuwarden doctor --pod   (in a minute)", true);
    if (const auto* unsent = std::get_if<CreateNotSent>(&answer))
      return wrong("capacity", unsent->detail, "gpuwarden doctor", true);
  }

  awaitable<void> examine_in_time() {
    using namespace boost::asio::experimental::awaitable_operators;
    const auto ended = co_await (examine() || called_off() || context_.env.clock.sleep_for(kWhole));
    report_.called_off = ended.index() == 1;
    if (ended.index() == 2)
      wrong("timeout", fmt::format("not over after {}", format_duration(kWhole)),
            "gpuwarden doctor --pod   (again)");
  }

  awaitable<void> examine() {
    if (!co_await provision()) co_return;
    if (!co_await connect()) co_return;
    co_await preflight();
  }

  awaitable<bool> provision() {
    const MonoTime began = context_.env.clock.now();
    const Duration limit = std::min(kProvision, context_.settings.policy.provision_timeout);
    while (true) {
      const auto pod = co_await context_.env.provider.get(pod_);
      const Duration waited = context_.env.clock.now() - began;
      if (pod && !*pod) {
        wrong("pod", "it has vanished: does another doctor --pod run?", FailureCause::pod_vanished);
        co_return false;
      }
      if (pod && (*pod)->status == PodStatus::running && (*pod)->ssh) {
        endpoint_ = *(*pod)->ssh;
        right("pod", fmt::format("{} runs after {}, {}", pod_.str(), format_duration(waited),
                                 context_.settings.control.image.empty() ? "template's image"
                                                                         : context_.settings.control.image));
        co_return true;
      }
      const std::string state = pod ? std::string(to_string((*pod)->status)) : pod.error().message;
      const bool over = pod && ((*pod)->status == PodStatus::exited || (*pod)->status == PodStatus::error ||
                                (*pod)->status == PodStatus::terminated);
      if (over || waited >= limit) {
        co_await tell_no_start(over ? FailureCause::pod_exited : FailureCause::provision_timeout,
                               fmt::format("{} after {}", state, format_duration(waited)));
        co_return false;
      }
      pods_.wait_for(fmt::format("the pod to run ({})", state), waited, price_);
      co_await context_.env.clock.sleep_for(2s);
    }
  }

  /// The pod's logs name the reason, where there is one.
  awaitable<void> tell_no_start(FailureCause suspected, std::string state) {
    Evidence evidence;
    evidence.worker = name_.str();
    evidence.phase = to_string(Phase::starting);
    for (const std::string source : {"system", "container"}) {
      ports::LogQuery query;
      query.pod = pod_;
      query.source = source;
      const auto log = co_await context_.env.provider.logs(std::move(query));
      if (!log) continue;
      for (const PodLogLine& line : *log) evidence.tails[source].push_back(line.line);
    }
    const Verdict verdict = diagnosis::diagnose(evidence, suspected);
    wrong(
        "pod",
        fmt::format("{}: {}", state, verdict.evidence_line.empty() ? verdict.summary : verdict.evidence_line),
        verdict.advice);
  }

  awaitable<bool> connect() {
    const MonoTime began = context_.env.clock.now();
    const Duration limit = std::min(kConnect, context_.settings.bootstrap.connect_timeout);
    ports::ShellTarget target;
    target.endpoint = endpoint_;
    for (int tries = 0;; ++tries) {
      if (target.pin.sha256.empty() && tries < kHostKeyReads) target.pin.sha256 = co_await host_keys();
      auto session = co_await context_.env.shell.connect(target);
      const Duration waited = context_.env.clock.now() - began;
      if (session) {
        session_ = std::move(*session);
        right("ssh",
              fmt::format("{}@{}:{} after {}, host key {} ({})", endpoint_.user, endpoint_.host,
                          endpoint_.port, format_duration(waited), session_->host_key(),
                          target.pin.sha256.empty() ? "taken at first use" : "as in the container's log"));
        co_return true;
      }
      const ErrorKind kind = session.error().kind;
      if (waited >= limit || kind == ErrorKind::invalid_input || kind == ErrorKind::conflict) {
        wrong("ssh", session.error().message,
              kind == ErrorKind::conflict ? FailureCause::ssh_host_key_mismatch
              : kind == ErrorKind::unauthorized || kind == ErrorKind::invalid_input
                  ? FailureCause::ssh_auth_failed
                  : FailureCause::ssh_unreachable);
        co_return false;
      }
      pods_.wait_for("SSH: " + session.error().message, waited, price_);
      co_await context_.env.clock.sleep_for(2s);
    }
  }

  awaitable<std::vector<std::string>> host_keys() {
    ports::LogQuery query;
    query.pod = pod_;
    query.source = "container";
    query.tail = 200;
    const auto log = co_await context_.env.provider.logs(std::move(query));
    co_return log ? host_keys_in(*log) : std::vector<std::string>();
  }

  awaitable<void> preflight() {
    using namespace boost::asio::experimental::awaitable_operators;
    bootstrap::Settings settings = context_.settings.bootstrap;
    settings.preflight_only = true;
    settings.has_volume = !placement_.volume_id.empty();
    bootstrap::StatusStream stream;
    std::optional<bootstrap::StatusLine> last;
    ports::ShellCommand command;
    command.command = bootstrap::launch_command(name_);
    // Nobody has given out this token: that it is refused shows that address, key and functions are right.
    command.stdin_data = bootstrap::launch_payload(
        name_, settings, {context_.env.make_token().token, context_.settings.publishable_key});
    command.timeout = kPreflight;
    command.on_stdout = [&](std::string_view chunk) {
      for (const std::string& text : stream.feed(chunk)) {
        auto line = bootstrap::parse_status_line(text);
        const bool ends = line && line->event != bootstrap::StatusLine::Event::begin;
        if (ends && !last) last = std::move(line);
      }
    };
    auto running = session_->run(std::move(command));
    auto ran = co_await (std::move(running) || pods_.announce("preflight on the pod", price_));
    if (last) co_return tell_preflight(*last);
    std::string why = "it said nothing";
    if (const auto* result = std::get_if<0>(&ran))
      why = *result ? fmt::format("it ended with exit status {} and said nothing", (*result)->exit_status)
                    : result->error().message;
    wrong("preflight", why, FailureCause::start_failed);
  }

  void tell_preflight(const bootstrap::StatusLine& line) {
    constexpr std::string_view kGood = "in order: ", kBad = "preflight: ";
    bool told = false;
    for (const std::string& text : line.tail) {
      const bool good = text.starts_with(kGood);
      if (!good && !text.starts_with(kBad)) continue;
      const std::string rest = text.substr(good ? kGood.size() : kBad.size());
      const std::size_t colon = std::min(rest.find(": "), rest.size());
      std::string check = rest.substr(0, colon);
      std::string detail = rest.substr(std::min(colon + 2, rest.size()));
      told = told || !good;
      if (good) {
        right(std::move(check), std::move(detail));
        continue;
      }
      bootstrap::StatusLine one = line;
      one.check = check;
      wrong(std::move(check), std::move(detail), bootstrap::cause_of(one));
    }
    if (line.event != bootstrap::StatusLine::Event::fail || told) return;
    wrong("preflight", line.tail.empty() ? "it failed and said nothing" : line.tail.back(),
          bootstrap::cause_of(line));
  }

  awaitable<void> end() {
    session_.reset();
    if (!pods_.may_exist()) co_return;
    const Result<std::string> gone = co_await pods_.remove();
    if (rented_at_)
      report_.cost_usd =
          price_ * std::chrono::duration<double>(context_.env.clock.now() - *rented_at_).count() / 3600.0;
    if (!gone)
      co_return wrong(
          "deleted", gone.error().message,
          "Delete it in the Runpod console, or type gpuwarden doctor --pod again; a running daemon "
          "deletes it when it is 15 minutes old",
          true);
    right("deleted",
          rented_at_ ? fmt::format("{}; it cost about {}", *gone, format_usd(report_.cost_usd)) : *gone);
  }

  Context context_;
  PodCheckupHooks hooks_;
  CheckupPods pods_;
  MonoTime began_;
  PodCheckup report_;
  WorkerId name_;
  PodId pod_;
  Placement placement_;
  SshEndpoint endpoint_;
  double price_{0};
  std::optional<MonoTime> rented_at_;
  std::unique_ptr<ports::ShellSession> session_;
};

}  // namespace

awaitable<PodCheckup> check_pod(Environment environment, LoopSettings settings, PodCheckupHooks hooks) {
  Checkup checkup(std::move(environment), std::move(settings), std::move(hooks));
  co_return co_await checkup.run();
}

}  // namespace gpuwarden::control
