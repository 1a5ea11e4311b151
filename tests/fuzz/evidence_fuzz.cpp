// Any text is either refused or becomes evidence that is diagnosed, written within its bound, and read again.

#include <cstdlib>
#include <string_view>

#include "gpuwarden/diagnosis/diagnose.hpp"
#include "gpuwarden/ports/evidence_json.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto evidence = gpuwarden::ports::evidence_from_json(text);
  if (!evidence) return 0;
  gpuwarden::diagnosis::diagnose(*evidence);
  const std::string json = gpuwarden::ports::evidence_to_json(*evidence);
  if (json.size() > std::size_t{64} * 1024) std::abort();
  if (!gpuwarden::ports::evidence_from_json(json)) std::abort();
  return 0;
}
