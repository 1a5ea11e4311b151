#include "offer_book.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

namespace gpuwarden::control {
namespace {

using boost::asio::awaitable;
using namespace std::chrono_literals;

constexpr Duration kFresh = 10min;
constexpr Duration kRetry = 30s;
constexpr Duration kFirstWait = 15s;
constexpr Duration kLook = 20ms;

}  // namespace

void OfferBook::forget() {
  fresh_until_.reset();
  ++settings_changes_;
}

void OfferBook::note(ports::Log& log, std::string_view what, const Error* error, bool& readable) {
  const bool was_readable = std::exchange(readable, error == nullptr);
  if (error != nullptr && was_readable) {
    log.warning(fmt::format("{}_unreadable", what), error->message);
  } else if (error == nullptr && !was_readable) {
    log.info(fmt::format("{}_readable", what), "can be read again");
  }
}

awaitable<void> OfferBook::refresh(Context& context) {
  const int settings_changes = settings_changes_;
  const policy::Settings settings = context.settings.policy;  // SIGHUP may replace them meanwhile
  bool complete = true;
  std::vector<NetworkVolume> volumes;
  if (!settings.volume_names.empty()) {
    auto listed = co_await context.env.provider.volumes();
    note(context.env.log, "volumes", listed ? nullptr : &listed.error(), volumes_readable_);
    if (!listed) {
      complete = false;
    } else {
      volumes = std::move(*listed);
    }
  }
  std::vector<GpuOffer> catalogue;
  auto gpus = co_await context.env.provider.gpu_offers(settings.cloud);
  note(context.env.log, "catalogue", gpus ? nullptr : &gpus.error(), catalogue_readable_);
  if (gpus) {
    catalogue = std::move(*gpus);
  } else {
    complete = false;
  }
  std::vector<GpuOffer> other_cloud;
  if (complete && settings.any_cloud) {
    const Cloud other = settings.cloud == Cloud::secure ? Cloud::community : Cloud::secure;
    auto more = co_await context.env.provider.gpu_offers(other);
    note(context.env.log, "catalogue", more ? nullptr : &more.error(), catalogue_readable_);
    complete = more.has_value();
    if (more) other_cloud = std::move(*more);
  }
  refreshing_ = false;
  refreshed_ = true;
  if (settings_changes != settings_changes_) co_return;  // made for settings that no longer hold
  if (complete || offers_.empty()) {
    ResolvedOffers resolved = resolve_offers(settings, catalogue, volumes, other_cloud);
    offers_ = std::move(resolved.offers);
    if (complete && resolved.problems != problems_) {
      problems_ = std::move(resolved.problems);
      for (const std::string& problem : problems_) context.env.log.warning("placement_problem", problem);
    }
  }
  fresh_until_ = context.env.clock.now() + (complete ? kFresh : kRetry);
}

awaitable<std::vector<policy::Offer>> OfferBook::current(Context& context) {
  const MonoTime now = context.env.clock.now();
  if (!refreshing_ && (!fresh_until_ || now >= *fresh_until_)) {
    refreshing_ = true;
    boost::asio::co_spawn(co_await boost::asio::this_coro::executor, refresh(context),
                          [](const std::exception_ptr& failure) {
                            if (failure) std::rethrow_exception(failure);
                          });
  }
  if (!first_due_) first_due_ = now + kFirstWait;
  while (!refreshed_ && context.env.clock.now() < *first_due_) co_await context.env.clock.sleep_for(kLook);
  co_return offers_;
}

}  // namespace gpuwarden::control
