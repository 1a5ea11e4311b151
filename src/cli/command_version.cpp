#include "command.hpp"

namespace gpuwarden::cli {

int version(Output& output) {
  if (output.json) {
    print_json(output, {{"version", GPUWARDEN_VERSION}});
  } else {
    output.out << "gpuwarden " GPUWARDEN_VERSION "\n";
  }
  return kDone;
}

}  // namespace gpuwarden::cli
