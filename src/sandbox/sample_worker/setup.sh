#!/bin/bash
# Prepares the worker: what a real one would do with pip.
cd "$(dirname "$0")" || exit 1
# shellcheck source=worker.env
. ./worker.env
echo "Collecting requirements"
if [ -n "$SETUP_ERROR" ]; then
  echo "$SETUP_ERROR" >&2
  exit 1
fi
for tool in bash curl; do
  command -v "$tool" >/dev/null || { echo "setup.sh: $tool is missing" >&2; exit 1; }
done
echo "Successfully installed sample-worker"
