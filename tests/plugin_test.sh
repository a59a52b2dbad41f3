#!/usr/bin/env bash
# usage: plugin_test.sh ATTNBENCH PLAIN_C FAULTY_FOLDER [EMULATOR...]
# Plugins as a user brings them: the example in plain C, and libraries with a fault each.
set -u
attnbench=$(realpath "$1") good=$(realpath "$2") faulty=$(realpath "$3")
shift 3
emulator=("$@")
[ $# -eq 0 ] || export ATTN_LAUNCHER="$*"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
failures=0 passes=0

run() { ${emulator[@]+"${emulator[@]}"} "$attnbench" "$@" >out 2>err; }

# expect CODE FILE 'REGEX' ARGUMENTS...: attnbench must end so, and the file (out or err) match.
expect() {
  local want=$1 file=$2 pattern=$3 got
  shift 3
  run "$@"
  got=$?
  if [ "$got" -eq "$want" ] && grep -qE -- "$pattern" "$file"; then
    passes=$((passes + 1))
  else
    failures=$((failures + 1))
    echo "FAILED: attnbench $*: exit $got (want $want), $file should match '$pattern':"
    cat out err
  fi
}
# Refused before any timing: exit 2, nothing overwritten.
rejects() {
  local fault=$1 pattern=$2
  echo precious >keep.json
  expect 2 err "--plugin .*/$fault.so: $pattern" \
    run --plugin "$faulty/$fault.so" --problem h:1/q:8/d:4 --benchmark_out=keep.json
  if [ "$(cat keep.json)" != precious ]; then failures=$((failures + 1)); echo "FAILED: $fault: overwrote the file"; fi
}
fast=--benchmark_min_time=0.001

expect 0 out 'plain_c +three loops' list --plugin "$good"
expect 0 out '"name": "plain_c"' list --json --plugin "$good"
expect 0 out 'plain_c .* ok ' verify --plugin "$good" --variants plain_c
expect 0 out 'plain_c' run --plugin "$good" --problem h:2/hkv:1/q:33/d:8/mask:causal/lse:1 --variants 'naive,plain_c' \
  --benchmark_out=result.json "$fast"
expect 0 err '' run --plugin "$good" --problem h:2/hkv:1/q:33/d:8/mask:causal/lse:1 --variants 'naive,plain_c' \
  --benchmark_out=result.json --resume "$fast"
expect 2 err "was written with plugins '.*plain_c" run --problem h:2/q:33/d:8 --benchmark_out=result.json --resume
python3 - <<'END' || { failures=$((failures + 1)); echo "FAILED: result.json"; }
import json
document = json.load(open("result.json"))
assert "plain_c.so: plain_c/" in document["context"]["plugins"], document["context"]["plugins"]
rows = [row for row in document["benchmarks"] if row["name"].startswith("attention/plain_c/")]
assert len(rows) == 1 and rows[0]["flops"] > 0 and rows[0]["max_scaled_err"] <= rows[0]["tolerance"], rows
END
expect 0 out 'plain_c does not support: threads' run --plugin "$good" --problem h:2/q:33/d:8 --threads 1,2 \
  --variants plain_c "$fast"

rejects wrong_abi 'speaks version 2 of the plugin ABI, this attnbench version 1'
rejects no_entries 'its table has no entries'
rejects null_table 'its table of entries is null'
rejects null_entry 'entry 0 is null'
rejects short_struct 'entry 0 has struct_size 40'
rejects bad_name 'entry 0 has no name of the form'
rejects taken_name 'entry 0 \(naive/.*\) is there already'
rejects crashes_on_load 'it crashed \(SIGABRT\) while it was loaded'
rejects unknown_isa "entry 0 \(faulty\) names the ISA 'avx1024'; valid: sse2"
rejects no_run 'entry 0 \(faulty\) has no run function'
rejects no_symbol 'is no plugin: it does not export attn_plugin_table\(\)'
expect 2 err 'there is no such file' list --plugin ./absent.so
expect 2 err 'there is no such file' list --plugin "$folder"
echo text >text.so
expect 2 err 'cannot be loaded: .*text.so' list --plugin text.so
expect 2 err 'a variant plain_c is there already' list --plugin "$good" --plugin "$good"

small=(--problem h:1/q:8/d:4 --variants "naive,faulty" "$fast" --benchmark_out=faulty.json)
for fault in writes_nan writes_input skips_a_row; do
  expect 1 out "attnbench verify .* --seed 1 --plugin .*/$fault.so" run --plugin "$faulty/$fault.so" "${small[@]}"
  expect 1 out "attnbench verify .* --seed 1 --plugin .*/$fault.so" verify --plugin "$faulty/$fault.so" --problem h:1/q:8/d:4 --variants faulty
done

echo "$passes passed, $failures failed"
((failures == 0 && passes > 0))
