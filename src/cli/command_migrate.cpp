#include <fmt/format.h>

#include "command.hpp"
#include "kMigrations.hpp"

namespace gpuwarden::cli {

int migrate(const Invocation& line, Output& output) {
  if (output.json) {
    Json files = Json::array();
    for (const EmbeddedFile& file : kMigrations) files.push_back({{"name", file.name}, {"sql", file.text}});
    print_json(output, {{"migrations", std::move(files)}});
    return kDone;
  }
  if (!line.print) {
    output.err << "error: gpuwarden changes no schema by itself; it only prints the SQL.\n"
                  "Next: gpuwarden migrate --print | psql \"$DATABASE_URL\"\n";
    return kUsage;
  }
  // All or nothing: a run that breaks off must not leave functions that everybody may call.
  output.out << "begin;\n";
  for (const EmbeddedFile& file : kMigrations) {
    output.out << fmt::format("-- {}\n{}", file.name, file.text);
    if (!file.text.ends_with('\n')) output.out << '\n';
  }
  output.out << "commit;\n";
  return kDone;
}

}  // namespace gpuwarden::cli
