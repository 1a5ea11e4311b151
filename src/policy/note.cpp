#include "gpuwarden/policy/note.hpp"

namespace gpuwarden::policy {

void apply(Memory& memory, const Note& note) {
  switch (note.kind) {
    case Note::Kind::no_capacity:
      return note_no_capacity(memory, note.placement, note.detail, note.at);
    case Note::Kind::refused:
      return note_refused(memory, note.placement, note.detail, note.at);
    case Note::Kind::created:
      return note_created(memory, note.placement);
    case Note::Kind::no_balance:
      return note_no_balance(memory, note.at);
    case Note::Kind::rate_limited:
      return note_rate_limited(memory, note.at);
    case Note::Kind::no_pod:
      return note_no_pod(memory, note.worker, note.at);
    case Note::Kind::deleted:
      return note_deleted(memory, note.pod, note.at);
  }
}

}  // namespace gpuwarden::policy
