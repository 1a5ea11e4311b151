#include "simulation/shell.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "simulation/container.hpp"
#include "simulation/execution.hpp"
#include "simulation/wire.hpp"

namespace gpuwarden::simulation {
namespace {

using ports::Async;
using ports::ShellResult;

/// What the pod's SSH says to whoever comes; nullopt = it lets us in.
std::optional<Error> refusal(const SimPodPtr& pod, const ports::HostKeyPin& pin) {
  Error error;
  if (!pod || !pod->container || !pod->container->ssh_answers()) {
    error.kind = ErrorKind::unavailable;
    error.message = "cannot connect: Connection refused";
    return error;
  }
  if (!pin.sha256.empty() &&
      std::find(pin.sha256.begin(), pin.sha256.end(), pod->host_key) == pin.sha256.end()) {
    error.kind = ErrorKind::conflict;
    error.message =
        fmt::format("the host shows the key {}, which is not the one that is known", pod->host_key);
    return error;
  }
  if (pod->fate.cause == FailureCause::ssh_auth_failed) {
    error.kind = ErrorKind::unauthorized;
    error.message = "authentication as root: Authentication failed (publickey)";
    return error;
  }
  return std::nullopt;
}

}  // namespace

struct SimShell::Wire : ShellWire {
  using ShellWire::ShellWire;
};

/// One connection: bound to the container that ran when it was made.
class SimShell::Session final : public ports::ShellSession {
 public:
  Session(std::shared_ptr<ShellWire> wire, const SimPodPtr& pod)
      : wire_(std::move(wire)), container_(pod->container), host_key_(pod->host_key) {}
  Async<ShellResult> run(ports::ShellCommand command) override {
    return execute(wire_, container_, std::move(command));
  }
  std::string host_key() const override { return host_key_; }

 private:
  std::shared_ptr<ShellWire> wire_;
  std::weak_ptr<Container> container_;
  std::string host_key_;
};

SimShell::SimShell(Cloud& cloud, Fates& fates, ports::Clock& clock, Random random)
    : wire_(std::make_shared<Wire>(cloud, fates, clock, random)) {}

Async<std::unique_ptr<ports::ShellSession>> SimShell::connect(ports::ShellTarget target) {
  using Kind = Fate::Kind;
  constexpr int kRoundTrips = 6;
  const auto wire = wire_;
  const auto about = wire->cloud.by_port(target.endpoint.port);
  const Fate fate = wire->fates.of(Service::ssh, "connect " + (about ? about->name : "nobody"));
  const Duration handshake = std::max(fate.latency * kRoundTrips, Duration{1});
  if (fate.kind == Kind::not_reached || fate.kind == Kind::refused) {
    if (!co_await pause(wire->clock, fate.latency)) co_return cancelled();
    co_return fail(ErrorKind::unavailable, "cannot connect: No route to host");
  }
  if (fate.kind != Kind::done || handshake > target.timeout) {
    if (!co_await pause(wire->clock, target.timeout)) co_return cancelled();
    co_return fail(ErrorKind::timeout, "no answer in time");
  }
  if (!co_await pause(wire->clock, handshake)) co_return cancelled();
  const SimPodPtr pod = wire->cloud.by_port(target.endpoint.port);
  if (auto refused = refusal(pod, target.pin)) {
    wire->cloud.world().probes.reached(fmt::format("ssh: {}", to_string(refused->kind)));
    co_return fail(std::move(*refused));
  }
  co_return std::make_unique<Session>(wire, pod);
}

}  // namespace gpuwarden::simulation
