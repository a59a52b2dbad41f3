#!/usr/bin/env bash
# usage: front_end_test.sh TOOL ARGUMENTS...
# A peer is as fast in the suite as from its own front end. Skipped (77) where there is none, or it is too noisy to tell.
set -u
"$@"
status=$?
case $status in
  3 | 4) echo "skipped: see above"; exit 77 ;;
  *) exit "$status" ;;
esac
