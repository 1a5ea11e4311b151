#pragma once

#include <string>
#include <vector>

#include "gpuwarden/domain/pod.hpp"
#include "gpuwarden/policy/decide.hpp"

namespace gpuwarden::control {

/// What could not be matched, in words, beside the candidates.
struct ResolvedOffers {
  std::vector<policy::Offer> offers;
  std::vector<std::string> problems;
};

/// GPU types x volumes (each in its data centre) or data centres x clouds, in the operator's order, which
/// says nothing about the clouds where either will do. `catalogue` is of settings.cloud, `other_cloud` of the
/// other one where settings.any_cloud is set. A GPU type may be named by id or display name, in any case.
/// Without a catalogue the operator's words are taken as they are, price unknown. A volume that the account
/// does not have is no candidate, and none is in the community cloud.
ResolvedOffers resolve_offers(const policy::Settings& settings, const std::vector<GpuOffer>& catalogue,
                              const std::vector<NetworkVolume>& volumes,
                              const std::vector<GpuOffer>& other_cloud = {});

}  // namespace gpuwarden::control
