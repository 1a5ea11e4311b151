#pragma once

#include <string>
#include <string_view>

#include "trouble.hpp"

namespace gpuwarden::diagnosis {

/// What a later line says about the errors before it. All arguments are lower case.
enum class Recovery {
  none,
  life,              ///< work went on
  success,           ///< something worked, perhaps something else
  explicit_recovery  ///< the error was dealt with, in so many words
};
Recovery recovery_of(std::string_view low, std::size_t message);

/// "ignored", "falling back to": the line itself says that it does not matter.
bool is_handled_by_its_own_words(std::string_view low);
bool will_be_retried(std::string_view low);
bool is_warning(std::string_view low, std::size_t message);
/// "0 errors", "errors: 0", "without errors": the word without the fact.
bool says_nothing_is_wrong(std::string_view low);
/// An image arrives: whatever went wrong before it was tried again.
bool is_pull_progress(std::string_view low);
/// False for "exited with 1", "connection closed", hints and stack frames: lines that only follow a failure.
bool tells_something(std::string_view low, std::size_t message);
/// No success afterwards takes these back: hardware that failed, a machine that was taken.
bool is_final(Trouble trouble);
/// `TypeName: text` of an uncaught exception, at the beginning of the message (any case).
bool is_exception(std::string_view message);
/// Line of `df` output that shows a file system without room; empty = none.
std::string full_disk(std::string_view df);

}  // namespace gpuwarden::diagnosis
