#include "runpod_stand_in.hpp"

#include "runpod_impl.hpp"

namespace gpuwarden::sandbox {
namespace asio = boost::asio;

RunpodStandIn::RunpodStandIn(asio::any_io_executor executor, StandInOptions options, PodHost& host,
                             std::function<Now()> now)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options), host, std::move(now))) {}

RunpodStandIn::~RunpodStandIn() {
  impl_->stopping = true;
}

asio::awaitable<http::ServerResponse> RunpodStandIn::handle(http::ServerRequest request) {
  return impl_->answer(std::move(request));
}

void RunpodStandIn::set_scenario(const Scenario& scenario) {
  impl_->scenario = scenario;
  impl_->sold_out.what = scenario.kind == ScenarioKind::no_capacity ? scenario.param : "";
  impl_->quota.set_per_minute(scenario.kind == ScenarioKind::rate_limit ? param_number(scenario)
                                                                        : impl_->options.quota_per_minute);
}

void RunpodStandIn::force(ForcedAnswer answer) {
  impl_->forced.push_back(std::move(answer));
}
void RunpodStandIn::set_page_cap(std::size_t cap) {
  impl_->page_cap = cap;
}
void RunpodStandIn::set_balance(bool enough) {
  impl_->balance = enough;
}

bool RunpodStandIn::exit_pod(const std::string& id) {
  const auto pod = impl_->book.find(id);
  if (!pod) return false;
  impl_->log_system(*pod, "stop container: exited");
  impl_->set_state(*pod, PodState::exited);
  pod->ssh_port = 0;
  impl_->kill(id);
  return true;
}

bool RunpodStandIn::vanish_pod(const std::string& id) {
  return impl_->remove(id);
}

asio::awaitable<void> RunpodStandIn::stop() {
  const auto impl = impl_;
  impl->stopping = true;
  for (const auto& pod : impl->book.living()) {
    impl->book.remove(pod->id, impl->now().mono);
    co_await impl->host.remove(pod->id);
  }
}

const PodBook& RunpodStandIn::book() const {
  return impl_->book;
}
long RunpodStandIn::create_requests() const {
  return impl_->create_requests;
}
const std::deque<SeenRequest>& RunpodStandIn::requests() const {
  return impl_->requests;
}

}  // namespace gpuwarden::sandbox
