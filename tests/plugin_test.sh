#!/usr/bin/env bash
# usage: plugin_test.sh ATTNBENCH PLAIN_C FAULTY_FOLDER [EMULATOR...]
# Plugins as a user brings them: the example in plain C, and libraries with a fault each.
set -u
# shellcheck source-path=SCRIPTDIR source=program.sh
source "$(dirname "${BASH_SOURCE[0]}")/program.sh"
attnbench=$(realpath "$1") good=$(realpath "$2") faulty=$(realpath "$3")
shift 3
begin "$@"

# Refused before any timing.
refuses() { rejects "--plugin .*/$1.so: $2" --plugin "$faulty/$1.so" --problem h:1/q:8/d:4; }
fast=--benchmark_min_time=0.001

expect 0 out 'plain_c +three loops' list --plugin "$good"
expect 0 out '"name": "plain_c"' list --json --plugin "$good"
expect 0 out 'plain_c .* ok ' verify --plugin "$good" --variants plain_c
expect 0 out 'plain_c' run --plugin "$good" --problem h:2/hkv:1/q:33/d:8/mask:causal/lse:1 --variants 'naive,plain_c' \
  --benchmark_out=result.json "$fast"
expect 0 err '' run --plugin "$good" --problem h:2/hkv:1/q:33/d:8/mask:causal/lse:1 --variants 'naive,plain_c' \
  --benchmark_out=result.json --resume "$fast"
expect 2 err "was written with plugins '.*plain_c" run --problem h:2/q:33/d:8 --benchmark_out=result.json --resume
python3 - <<'END' || fail result.json
import json
document = json.load(open("result.json"))
assert "plain_c.so: plain_c/" in document["context"]["plugins"], document["context"]["plugins"]
rows = [row for row in document["benchmarks"] if row["name"].startswith("attention/plain_c/") and row["run_type"] == "iteration"]
assert rows and all(row["flops"] > 0 and row["max_scaled_err"] <= row["tolerance"] for row in rows), rows
END
expect 0 out 'plain_c does not support: threads' run --plugin "$good" --problem h:2/q:33/d:8 --threads 1,2 \
  --variants plain_c "$fast"

expect 2 err 'plain_c does not support: f16' run --plugin "$good" --variants plain_c --problem h:1/q:8/d:4/dtype:f16
refuses wrong_abi 'speaks version 1 of the plugin ABI, this attnbench version 2; compile it with this revision'
refuses no_entries 'its table has no entries'
refuses null_table 'its table of entries is null'
refuses null_entry 'entry 0 is null'
refuses short_struct 'entry 0 has struct_size 40'
refuses bad_name "entry 0 has 'Bad/Name' for a name; valid: "
refuses taken_name 'a variant naive is there already'
refuses crashes_on_load 'it crashed \(SIGABRT\): it called abort\(\) while it was loaded'
refuses unknown_isa "entry 0 \(faulty\) names the ISA 'avx1024'; valid: sse2"
refuses no_run 'entry 0 \(faulty\) has no run function'
refuses no_symbol 'is no plugin: it does not export attn_plugin_table\(\)'
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

# Compared with one of ours, each is in a worker of its own, and the plugin's has nothing of ours.
printf '#!/bin/sh\necho "$@" >>commands\nexec %s "$@"\n' "${ATTN_LAUNCHER-}" >logs
chmod +x logs
ATTN_LAUNCHER=$folder/logs expect 5 out '^A .* plain_c/' compare plain_c naive --plugin "$good" --problem h:1/q:33/d:8 --rounds 3
if grep -q "attnbench_plugin_worker --plugin .*plain_c" commands && grep -q 'attnbench worker$' commands &&
  ! grep -q 'attnbench worker --plugin' commands; then pass; else fail "the workers of compare: $(cat commands)"; fi
expect 2 err 'there is no such file' compare plain_c naive --plugin ./absent.so --problem h:1/q:33/d:8
expect 2 err 'a variant plain_c is there already' compare plain_c naive --plugin "$good" --plugin "$good" --problem h:1/q:33/d:8

# A plugin's kernel as the core of a layer: the layer is ours, and runs where our layers are.
expect 0 out 'plain_c' run --plugin "$good" --problem h:2/q:33/d:8 --problem h:2/q:33/d:8/layer:fused --variants plain_c \
  --benchmark_out=layer.json "$fast"
grep -q '"name": "layer/fused/plain_c/' layer.json && ! grep -q error_message layer.json && pass || fail 'a layer around a plugin'

# A command that reproduces a failure can be pasted, whatever the file is called.
mkdir "it's here"
cp "$faulty/writes_nan.so" "it's here/"
expect 1 out 'attnbench verify .* --plugin .*it.*here/writes_nan.so' run --plugin "it's here/writes_nan.so" "${small[@]}"
pasted=$(grep -o 'attnbench verify .*' out | head -n 1)
eval "expect 1 out FAILED ${pasted#attnbench }"

finish
