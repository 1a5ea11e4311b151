#!/usr/bin/env bash
# Checks that stamps.sh sees every kind of change and forgets what did not pass.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/support/stamps.sh
. "$here/stamps.sh"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
git init -q . && git config user.email t@example.org && git config user.name t
echo build/ >.gitignore
echo one >tracked
git add -A && git commit -qm first
mkdir -p build

failed=0
expect() { # what, outcome of the command before
  if [ "$2" = 0 ]; then return; fi
  echo "stamps: $1" >&2
  failed=1
}
before=$(stamp_of unit)
differs() { [ "$(stamp_of unit)" != "$before" ] && echo 0 || echo 1; }
same() { [ "$(stamp_of unit)" = "$before" ] && echo 0 || echo 1; }

expect "the same state has two stamps" "$(same)"
expect "two parts have one stamp" "$([ "$(stamp_of fuzz)" != "$before" ] && echo 0 || echo 1)"
touch tracked build/object
expect "a new time of an old content, or a built file, changes the stamp" "$(same)"
echo two >tracked
expect "a change that is not committed is not seen" "$(differs)"
git commit -qam second
expect "a commit is not seen" "$(differs)"
git checkout -q HEAD~1 -- tracked
expect "what is as it was has another stamp" "$(same)"
chmod +x tracked
expect "a mode is not seen" "$(differs)"
chmod -x tracked
echo new >untracked
expect "a file that is not tracked is not seen" "$(differs)"
rm untracked
mv tracked build/
expect "a file that is gone is not seen" "$(differs)"
mv build/tracked tracked
expect "an environment variable is not seen" "$(export GPUWARDEN_OUTAGE_SECONDS=120; differs)"
expect "what is as it was has another stamp at the end" "$(same)"

passed() { stamp_passed unit "$1" >/dev/null && echo yes || echo no; }
expect "a part passed that never ran" "$([ "$(passed "$before")" = no ] && echo 0 || echo 1)"
stamp_keep unit "$before"
expect "a part that passed is forgotten" "$([ "$(passed "$before")" = yes ] && echo 0 || echo 1)"
expect "a part passed in another state" "$([ "$(passed other)" = no ] && echo 0 || echo 1)"
mkdir -p build/asan && touch build/asan/gpuwarden
expect "a change of what was built is not seen" "$([ "$(passed "$before")" = no ] && echo 0 || echo 1)"
rm -r build/asan
stamp_forget unit
expect "a part that was forgotten passed" "$([ "$(passed "$before")" = no ] && echo 0 || echo 1)"
if [ $failed = 0 ]; then echo "stamps: every kind of change is seen"; fi
exit $failed
