#pragma once

#include "tick.hpp"

namespace gpuwarden::policy {

/// Pause before the next delete of the same pod: the first retry after `first`, doubling to five minutes.
Duration delete_pause(int tries, Duration first);

/// Ends workers on their way out: drained ones are deleted, failed ones when their crash bundle is in,
/// deletes are repeated until the pod is missing from two complete lists, and only then the row ends.
void finish_workers(Tick& tick);

/// Pods that bear a name of ours without a live row (late arrivals of terminated workers too), seen in two
/// complete lists, and second pods of one name. Foreign names never. List and rows of one tick are read at
/// the same time, so a row may have come between them; the rows of the second sighting are read after the
/// list of the first, and a row is always committed before its pod is asked for: what they lack then, nobody
/// owns.
void reap_orphans(Tick& tick);

}  // namespace gpuwarden::policy
