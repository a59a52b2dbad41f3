# Shared by the tests that drive attnbench from a shell; sourced, never run.
# shellcheck shell=bash

# begin [EMULATOR...]: an empty folder to work in, removed at the end; under an emulator workers are started by it, too.
begin() {
  emulator=("$@")
  [ $# -eq 0 ] || export ATTN_LAUNCHER="$*"
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  cd "$folder" || exit 1
  failures=0 passes=0
}

pass() { passes=$((passes + 1)); }
# fail WHAT: with what the last command printed.
fail() {
  failures=$((failures + 1))
  echo "FAILED: $1"
  cat out err
}

# Runs attnbench; leaves its output in the files out and err.
run() { ${emulator[@]+"${emulator[@]}"} "$attnbench" "$@" >out 2>err; }

# expect_of CODE FILE 'REGEX' COMMAND...: the command must end so, and the file (out or err) match.
expect_of() {
  local want=$1 file=$2 pattern=$3 got
  shift 3
  "$@" >out 2>err
  got=$?
  if [ "$got" -eq "$want" ] && grep -qE -- "$pattern" "$file"; then
    pass
  else
    fail "$*: exit $got (want $want), $file should match '$pattern':"
  fi
}

# The same of attnbench with these arguments.
expect() { expect_of "$1" "$2" "$3" ${emulator[@]+"${emulator[@]}"} "$attnbench" "${@:4}"; }

# rejects 'REGEX' ARGUMENTS...: bad input of attnbench run: exit 2 before any timing, and a result file that was there
# before is untouched.
rejects() {
  echo precious >keep.json
  expect 2 err "$1" run "${@:2}" --benchmark_out=keep.json
  [ "$(cat keep.json)" = precious ] || fail "attnbench run ${*:2}: overwrote the result file"
}

# The last command of a test.
finish() {
  echo "$passes passed, $failures failed"
  ((failures == 0 && passes > 0))
}
