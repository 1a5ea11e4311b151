#pragma once

#include <boost/asio/awaitable.hpp>

#include "gpuwarden/domain/evidence.hpp"

#include "context.hpp"

namespace gpuwarden::control {

/// What Runpod says of a pod, without its environment.
Evidence::PodFacts facts_of(const Pod& pod);

/// The crash bundle: everything that is gone once the pod is deleted. Both logs of the container, the pod as
/// Runpod knows it now, and over SSH the files and the probes of the pod, all at once and in collect_timeout
/// at most. What cannot be had stands in `evidence.missing` with the reason.
boost::asio::awaitable<void> collect_bundle(Context& context, WorkerId worker, PodId pod, Evidence& evidence);

}  // namespace gpuwarden::control
