#!/bin/bash
# Starts the worker with the arguments of worker.env.
cd "$(dirname "$0")" || exit 1
# shellcheck source=worker.env
. ./worker.env
# shellcheck disable=SC2086 # WORKER_ARGS is a list of words
exec bash ./worker.sh $WORKER_ARGS
