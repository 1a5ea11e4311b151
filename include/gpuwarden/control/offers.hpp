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

/// GPU types x volumes (each in its data centre) or data centres, in the operator's order; then by price and
/// stock. A GPU type may be named by id or display name, in any case. Without a catalogue the operator's
/// words are taken as they are, price unknown. A volume that the account does not have is no candidate.
ResolvedOffers resolve_offers(const policy::Settings& settings, const std::vector<GpuOffer>& catalogue,
                              const std::vector<NetworkVolume>& volumes);

}  // namespace gpuwarden::control
