#include "offer_book.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

namespace gpuwarden::control {
namespace {

using boost::asio::awaitable;
using namespace std::chrono_literals;

constexpr Duration kFresh = 10min;
constexpr Duration kRetry = 30s;

}  // namespace

awaitable<void> OfferBook::refresh(Context& context) {
  refreshing_ = true;
  const policy::Settings& settings = context.settings.policy;
  bool complete = true;
  std::vector<NetworkVolume> volumes;
  if (!settings.volume_names.empty()) {
    auto listed = co_await context.env.provider.volumes();
    if (!listed) {
      context.env.log.warning("volumes_unreadable", listed.error().message);
      complete = false;
    } else {
      volumes = std::move(*listed);
    }
  }
  std::vector<GpuOffer> catalogue;
  auto gpus = co_await context.env.provider.gpu_offers(settings.cloud);
  if (gpus) {
    catalogue = std::move(*gpus);
  } else {
    context.env.log.warning("catalogue_unreadable", gpus.error().message);
    complete = false;
  }
  if (complete || offers_.empty()) {
    ResolvedOffers resolved = resolve_offers(settings, catalogue, volumes);
    offers_ = std::move(resolved.offers);
    if (complete && resolved.problems != problems_) {
      problems_ = std::move(resolved.problems);
      for (const std::string& problem : problems_) context.env.log.warning("placement_problem", problem);
    }
  }
  const MonoTime now = context.env.clock.now();
  refreshed_ = complete ? now : now - kFresh + kRetry;
  refreshing_ = false;
}

awaitable<std::vector<policy::Offer>> OfferBook::current(Context& context) {
  const bool stale = !refreshed_ || context.env.clock.now() - *refreshed_ >= kFresh;
  if (!refreshed_ && !refreshing_) {
    co_await refresh(context);
  } else if (stale && !refreshing_) {
    refreshing_ = true;
    boost::asio::co_spawn(co_await boost::asio::this_coro::executor, refresh(context),
                          [](std::exception_ptr failure) {
                            if (failure) std::rethrow_exception(failure);
                          });
  }
  co_return offers_;
}

}  // namespace gpuwarden::control
