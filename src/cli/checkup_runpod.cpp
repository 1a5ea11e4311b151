#include <algorithm>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/config/nearest.hpp"
#include "gpuwarden/domain/gpu_match.hpp"

#include "checkup.hpp"

namespace gpuwarden::cli {
namespace {

constexpr const char* kNoAnswer = "the pods could not be listed";

/// "Did you mean X?" or the whole choice when nothing is near.
std::string hint(std::string_view variable, const std::string& word,
                 const std::vector<std::string>& choices) {
  if (const auto like = config::nearest(word, choices))
    return fmt::format("{}: did you mean '{}' instead of '{}'?", variable, *like, word);
  constexpr std::size_t kShown = 8;
  std::string text = fmt::format("{}: there is no '{}'. There is: ", variable, word);
  for (std::size_t i = 0; i < std::min(kShown, choices.size()); ++i)
    text += (i == 0 ? "" : ", ") + choices[i];
  return text + (choices.size() > kShown ? ", ..." : choices.empty() ? "nothing" : "");
}

Finding judged(std::vector<std::string> wrong, std::string good) {
  if (wrong.empty()) return passed(std::move(good));
  Finding finding;
  finding.state = Finding::State::failed;
  finding.detail =
      wrong.size() == 1 ? "one name is not known" : fmt::format("{} names are not known", wrong.size());
  finding.remedy = std::move(wrong);
  return finding;
}

std::string_view words(StockLevel stock) {
  switch (stock) {
    case StockLevel::unknown:
      return "stock not known";
    case StockLevel::none:
      return "no stock now";
    case StockLevel::low:
      return "low stock";
    case StockLevel::medium:
      return "medium stock";
    case StockLevel::high:
      return "high stock";
  }
  return "";
}

}  // namespace

boost::asio::awaitable<Finding> check_runpod(Checkup& checkup) {
  const auto pods = co_await checkup.scope.services.provider->list();
  if (!pods)
    co_return failed_call(pods.error(),
                          pods.error().kind == ErrorKind::unauthorized
                              ? "Make a key with read and write permission: Runpod console, Settings, "
                                "API Keys; then set RUNPOD_API_KEY"
                              : "Look at https://uptime.runpod.io, and try again");
  checkup.runpod_answers = true;
  const std::string& owner = checkup.scope.config().policy.owner;
  const auto ours = std::count_if(pods->begin(), pods->end(),
                                  [&](const Pod& pod) { return is_worker_name_of(pod.name, owner); });
  std::string text = fmt::format("{} pods, {} of them ours", pods->size(), ours);
  for (const BudgetWindow& window : checkup.scope.services.provider->budget()) {
    text += fmt::format("; {} of {} requests left this {}", window.remaining, window.limit, window.name);
    constexpr long kScarce = 10;  // a tenth
    if (window.limit > 0 && window.remaining * kScarce < window.limit)
      co_return warned(text, fmt::format("Another program spends this account's requests; more in {}",
                                         format_duration(window.resets_in)));
  }
  co_return passed(text);
}

boost::asio::awaitable<Finding> check_gpu_types(Checkup& checkup) {
  if (!checkup.runpod_answers) co_return skipped(kNoAnswer);
  const policy::Settings& settings = checkup.scope.config().policy;
  auto offers = co_await checkup.scope.services.provider->gpu_offers(settings.cloud);
  if (!offers) co_return failed_call(offers.error(), "gpuwarden doctor   (again)");
  if (settings.any_cloud) {
    auto more = co_await checkup.scope.services.provider->gpu_offers(Cloud::community);
    if (!more) co_return failed_call(more.error(), "gpuwarden doctor   (again)");
    offers->insert(offers->end(), more->begin(), more->end());
  }
  std::vector<std::string> choices, wrong;
  for (const GpuOffer& offer : *offers) choices.push_back(offer.id);
  std::string good;
  bool stock = false;
  for (const std::string& type : settings.gpu_types) {
    const GpuOffer* at = find_gpu(*offers, type);
    if (at == nullptr) {
      wrong.push_back(hint("RUNPOD_GPU_TYPE", type, choices));
      continue;
    }
    stock = stock || at->stock != StockLevel::none;
    good += fmt::format("{}{} ({}/h, {})", good.empty() ? "" : "; ", at->id, format_usd(at->price_per_hr),
                        words(at->stock));
  }
  if (wrong.empty() && !stock)
    co_return warned(good, "Name more GPU types in RUNPOD_GPU_TYPE, or other data centres");
  co_return judged(std::move(wrong), std::move(good));
}

boost::asio::awaitable<Finding> check_data_centers(Checkup& checkup) {
  const policy::Settings& settings = checkup.scope.config().policy;
  if (settings.data_centers.empty()) co_return passed("anywhere (RUNPOD_DATA_CENTERS is not set)");
  if (!checkup.runpod_answers) co_return skipped(kNoAnswer);
  const auto centers = co_await checkup.scope.services.provider->data_centers();
  if (!centers) co_return failed_call(centers.error(), "gpuwarden doctor   (again)");
  std::vector<std::string> choices, wrong;
  for (const DataCenterInfo& center : *centers) choices.push_back(center.id);
  for (const std::string& name : settings.data_centers) {
    if (std::find(choices.begin(), choices.end(), name) == choices.end())
      wrong.push_back(hint("RUNPOD_DATA_CENTERS", name, choices));
  }
  co_return judged(std::move(wrong), fmt::format("{} known", settings.data_centers.size()));
}

boost::asio::awaitable<Finding> check_volumes(Checkup& checkup) {
  const policy::Settings& settings = checkup.scope.config().policy;
  if (settings.volume_names.empty()) co_return passed("none wanted (RUNPOD_STORAGE_NAME is not set)");
  if (!checkup.runpod_answers) co_return skipped(kNoAnswer);
  const auto volumes = co_await checkup.scope.services.provider->volumes();
  if (!volumes) co_return failed_call(volumes.error(), "gpuwarden doctor   (again)");
  std::vector<std::string> choices, wrong;
  for (const NetworkVolume& volume : *volumes) choices.push_back(volume.name);
  std::string good;
  for (const std::string& name : settings.volume_names) {
    const auto at = std::find_if(volumes->begin(), volumes->end(), [&](const NetworkVolume& volume) {
      return volume.name == name || volume.id == name;
    });
    if (at == volumes->end()) {
      wrong.push_back(hint("RUNPOD_STORAGE_NAME", name, choices));
      continue;
    }
    const auto& allowed = settings.data_centers;
    if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), at->data_center) == allowed.end()) {
      wrong.push_back(
          fmt::format("RUNPOD_DATA_CENTERS: volume '{}' is in {}, which is not in the list: add it", name,
                      at->data_center));
      continue;
    }
    good +=
        fmt::format("{}{} ({} GB in {})", good.empty() ? "" : "; ", at->name, at->size_gb, at->data_center);
  }
  Finding finding = judged(std::move(wrong), std::move(good));
  if (finding.state == Finding::State::failed)
    finding.detail =
        fmt::format("{} of {} volumes cannot be used", finding.remedy.size(), settings.volume_names.size());
  co_return finding;
}

}  // namespace gpuwarden::cli
