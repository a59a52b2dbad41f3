#!/usr/bin/env bash
# usage: cli_test.sh ATTNBENCH MUTANTS [EMULATOR...]
# Drives the programs as a user does: every kind of bad input, full disk, interruption, crash, resume. MUTANTS is the
# same program over deliberately wrong kernels.
set -u
attnbench=$(realpath "$1") mutants=$(realpath "$2")
sweeps=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../bench/sweeps")
shift 2
emulator=("$@")
[ $# -eq 0 ] || export ATTN_LAUNCHER="$*"  # of the workers
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
failures=0 passes=0
small=h:1/q:8/d:4

note() {
  if [ "$1" = ok ]; then passes=$((passes + 1)); else failures=$((failures + 1)); echo "FAILED: $2"; fi
}
run() { ${emulator[@]+"${emulator[@]}"} "$attnbench" "$@" >out 2>err; }
run_mutants() { ${emulator[@]+"${emulator[@]}"} "$mutants" "$@" >out 2>err; }

# exits CODE 'REGEX' ARGUMENTS...: attnbench must end so, its stderr must match.
exits() {
  local want=$1 pattern=$2 got
  shift 2
  run "$@"
  got=$?
  if [ "$got" -eq "$want" ] && { [ -z "$pattern" ] || grep -qE -- "$pattern" err; }; then
    note ok
  else
    note failed "attnbench $*: exit $got (want $want), stderr should match '$pattern':"
    cat err
  fi
}
# Bad input: exit 2, and the result file that was there before is untouched.
rejects() {
  local pattern=$1
  shift
  echo precious >keep.json
  exits 2 "$pattern" "$@"
  [ "$(cat keep.json)" = precious ] || note failed "attnbench $*: overwrote the result file"
}
# Prints the number of cases: a case has a row for each of its turns, and aggregates.
file_is_valid() {
  python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); assert d["context"]["seed"]
print(len({row["run_name"] for row in d["benchmarks"]}))' "$1"
}
out=--benchmark_out=keep.json
fast=--benchmark_min_time=0.001

rejects 'hkv=3 does not divide h=8' run --problem h:8/hkv:3/q:4/d:4 $out
rejects 'q=0 is not between' run --problem h:1/q:0/d:4 $out
rejects 'd=-1 is not between' run --problem h:1/q:4/d:-1 $out
rejects 'mask:diagonal is not known; valid: none, causal' run --problem h:1/q:4/d:4/mask:diagonal $out
rejects "key 'h' is missing" run --problem q:4/d:4 $out
rejects "key 'q' is given twice" run --problem h:1/q:4/q:5/d:4 $out
rejects 'does not fit into 64 bits' run --problem h:1/q:99999999999999999999/d:4 $out
rejects 'exceed 64 bits' run --problem h:1/q:1000000000000/d:1000000000000 $out
rejects 'needs [0-9.]+ GiB of memory, [0-9.]+ GiB is available' run --problem h:12/q:10000000/d:64 $out
rejects 'needs [0-9.]+ GiB of memory, [0-9.]+ GiB is available' verify --problem h:12/q:10000000/d:64
rejects "unknown key 'colour'; valid: " run --problem h:1/q:4/d:4/colour:red $out
rejects 'layout:packed needs k equal to q' run --problem h:1/q:4/k:5/d:4/layout:packed $out
rejects 'kv:int4 is not known; valid: same, int8' run --problem $small/kv:int4 $out
rejects 'kv:int8 .* has no backward pass; valid: pass:fwd' run --problem $small/kv:int8/pass:bwd $out
rejects 'kv:int8 .* dropout=0.1; valid: dropout:0' verify --problem $small/kv:int8/dropout:0.1
rejects 'layout:packed .* kv:int8 .*valid: layout:bhsd' run --problem $small/kv:int8/layout:packed $out
rejects 'flash does not support: kv_int8' run --problem $small/kv:int8 --variants flash $out
rejects "matches no variant; valid: .*naive" run --problem $small --variants nonsense $out
rejects 'is no regular expression' run --problem $small --variants 'a(' $out
rejects "unknown ISA 'mmx'; valid: native, all" run --problem $small --isa mmx $out
absent=neon64
[ "$(uname -m)" = x86_64 ] && [ ${#emulator[@]} -eq 0 ] || absent=avx512
rejects "$absent cannot run here: " run --problem $small --isa $absent $out
rejects "'0' is not a team size; valid: 1 to" run --problem $small --threads 0 $out
rejects 'matches none of the selected cases' run --problem $small --benchmark_filter=nonsense $out
rejects 'nothing to run' run $out
rejects 'there is no folder' run --problem $small --benchmark_out=absent/x.json
rejects 'is a folder' run --problem $small --benchmark_out="$folder"
rejects 'is not a number between' run --problem $small --benchmark_min_time=soon $out
rejects 'valid: json, console, csv' run --problem $small --benchmark_format=xml $out
rejects 'valid: true, false' run --problem $small --benchmark_report_aggregates_only=perhaps $out
rejects 'would count what it does between the calls' run --problem $small --benchmark_perf_counters=CYCLES $out
rejects 'is no flag of Google Benchmark' run --problem $small --benchmark_nonsense=1 $out
rejects 'not a result file' run --problem $small --resume $out
rejects 'there is no absent.json' run --problem $small --resume --benchmark_out=absent.json
rejects 'belongs to run' verify --problem $small --benchmark_min_time=1
exits 2 "unknown ISA 'mmx'; valid: native, all" roofline --isa mmx
exits 2 "$absent cannot run here: " roofline --isa $absent
exits 2 "'0' is not a team size; valid: 1 to" roofline --threads 0
exits 2 'belongs to run' roofline --benchmark_min_time=1
exits 2 '--colour' roofline --colour
exits 2 '--colour' run --colour
exits 2 'subcommand is required'
exits 2 'max-case-seconds' run --problem $small --max-case-seconds -1

rejects "neither a file nor a name in .*; valid names: .*quick" run --sweep absent $out
sweep_head='title = "t"
budget_seconds = 100
min_time_seconds = 0.001'
sweep() { # sweep FILE LINES...: a sweep file of the head and these lines
  local file=$1
  shift
  printf '%s\n' "$sweep_head" "$@" >"$file"
}
echo 'title = ' >malformed.toml
rejects 'malformed.toml:1: ' run --sweep malformed.toml $out
sweep unknown.toml 'colour = "red"'
rejects "unknown.toml:4: unknown key 'colour'; valid: title" run --sweep unknown.toml $out
sweep isas.toml 'isas = ["avx3"]'
rejects "isas.toml:4: 'avx3' is no ISA; valid: sse2" run --sweep isas.toml $out
sweep empty.toml
rejects "empty.toml:1: 'problem' is missing" run --sweep empty.toml $out
sweep bad.toml '[[problem]]' 'problem = "h:1/q:0/d:1"' 'model = "m"' 'source = "s"'
rejects "bad.toml:5: problem 'h:1/q:0/d:1': q=0" run --sweep bad.toml $out


sweep mine.toml '[[problem]]' 'problem = "h:1/q:8/d:4"' 'model = "m"' 'source = "s"' \
  '[[problem]]' 'problem = "h:1/q:9/d:4"' 'model = "m"' 'source = "s"'

run list --json
variants=$(python3 -c 'import json; print(len({row["name"] for row in json.load(open("out")) if "backward" not in row["features"] and "f32" in row["features"].split(", ")}))')
[ "$variants" -ge 5 ] && note ok || note failed 'list --json should name at least 5 variants'

run list --keys
grep -A3 '^dtype ' out | grep -q 'values:  f32|bf16|f16' && note ok || note failed 'list --keys should tell the values of dtype'
run list --keys --json
python3 -c "import json; assert {'name': 'lse', 'values': '0|1', 'default': '0', 'feature': 'lse', 'of_layers': False} \\
  .items() <= next(k for k in json.load(open('out')) if k['name'] == 'lse').items()" && note ok || note failed 'list --keys --json should hold lse'
run list
grep -q 'layer:single layer:per_head layer:fused; projections by ' out && note ok || note failed 'list should name the forms of layers'

# A user's own sweep runs like a built-in one; the file is Google Benchmark JSON.
exits 0 'Results: mine.json' run --sweep mine.toml --benchmark_out=mine.json
[ "$(file_is_valid mine.json)" -eq $((2 * variants)) ] && note ok || note failed 'mine.json should hold a row per problem and variant'
grep -q 'h:1/q:9/d:4' out && note ok || note failed 'the table should show every problem'
[ ! -e mine.json.journal ] && note ok || note failed 'a finished run should leave no journal'

# Every sweep of ours can be read and planned.
for sweep in "$sweeps"/*.toml; do exits 0 '' run --sweep "$(basename "$sweep" .toml)" --dry-run --variants online_softmax,naive; done

# The ceilings: a table, JSON, and in the context of a run.
exits 0 '' roofline --isa native --threads 1
grep -q 'FLOP/cycle' out && grep -qE '^[a-z0-9]+ +1 +[0-9.]+ +[0-9.]+' out && note ok || { note failed 'roofline should print a table'; cat out; }
exits 0 '' roofline --json --threads 1,2
python3 -c 'import json; d = json.load(open("out"))
rows = d["ceilings"]
assert {row["threads"] for row in rows} == {1, 2}, rows
for row in rows:
    assert row["f32_fma"]["flops_per_second"] > 0 and row["exp2"]["vectors_per_second"] > 0, row
    for read in row["read"]: assert read.get("reason") or read["bytes_per_second"] > 0, read
assert d["cannot_run_here"], d' && note ok || { note failed 'roofline --json should hold every ceiling'; cat out; }
python3 -c 'import json; c = json.load(open("mine.json"))["context"]
for row in c["ceilings"]: assert row["f32_fma"]["flops_per_second"] > 0 and row["exp2"] and row["read"] and row["threads"] == 1, row
assert c["ceilings"], c' && note ok || note failed 'the context should carry the ceilings'

# Shares of the ceilings ride in the rows; repetitions and random order change nothing in that.
exits 0 '%b .* naive' run --problem h:2/q:1/k:200/d:8 --problem h:2/q:20/d:8/cache:cold $fast --variants naive --benchmark_repetitions=2 --benchmark_enable_random_interleaving=true --benchmark_out=shares.json
grep -q '%b' out && note ok || { note failed 'the table should show the bandwidth of decode'; cat out; }
python3 -c 'import json; rows = json.load(open("shares.json"))["benchmarks"]
for row in rows:
    assert row["pct_peak"] >= 0 and row["threads_used"] >= 0, row
    assert row["peak_unit"] == "f32 FMA" and row["pct_fma_peak"] == row["pct_peak"], row
    assert ("pct_bandwidth" in row) == ("bandwidth" in row) == ("/q:1/" in row["name"]), row
    assert ("/cache:cold/" in row["name"]) != ("/q:1/" in row["name"]), row
assert len({row["name"] for row in rows}) >= 4, rows' && note ok || note failed 'rows should carry their shares'

# What binds a row rides in it, and explain tells it of one case or of two.
python3 -c 'import json; rows = json.load(open("shares.json"))["benchmarks"]
for row in rows:
    if row.get("aggregate_name") in ("stddev", "cv"): assert "binds" not in row, row
    else: assert row["binds"] in row["roofs"] and row["pct_roof"] == max(row["roofs"].values()), row' && note ok || note failed 'rows should carry their roofs'
exits 0 '' explain naive --problem h:2/q:20/d:8 --seconds 0.01 --json why.json
grep -Eq '^naive/.*: (bound by|far from its roofs, the nearest is) (fma|exp|L. read|memory read) \([0-9]+ %\)' out && grep -q '^time per pair' out && note ok || { note failed 'explain should tell what binds'; cat out; }
python3 -c 'import json; case, = json.load(open("why.json"))["cases"]
assert case["visible_pairs"] == 800 and case["pct_roof"] == max(case["roofs"].values()), case
for name, counter in case["counters"].items(): assert counter.get("not_countable") or counter["per_pair"] > 0, (name, counter)' && note ok || { note failed 'explain --json should have it all'; cat why.json; }
grep -q '^not countable: \|^instructions per pair' out && note ok || { note failed 'explain should count, or say why not'; cat out; }
exits 0 '' explain naive flash --problem h:2/q:20/d:8 --seconds 0.01
grep -q 'B / A' out && grep -q '^B  flash/' out && note ok || { note failed 'explain should put a second case beside the first'; cat out; }
echo precious >why.json
exits 2 "A 'nosuch'.*matches no variant" explain nosuch --problem h:2/q:20/d:8 --json why.json
exits 2 "problem 'h:0.*between" explain naive --problem h:0/q:20/d:8 --json why.json
exits 2 'the same case' explain naive naive --problem h:2/q:20/d:8 --json why.json
exits 2 'no layers' explain naive --problem h:2/q:20/d:8/layer:fused --json why.json
exits 2 'takes about' explain naive --problem h:64/q:65536/d:128 --json why.json
exits 2 'no folder|No such' explain naive --problem h:2/q:20/d:8 --json nosuch/why.json
grep -q precious why.json && note ok || note failed 'bad input should leave the file of explain alone'
run_mutants explain no_rescale --problem h:2/q:60/d:16/fill:ascending --seconds 0.01
[ $? -eq 1 ] && grep -q '^FAILED no_rescale' err && note ok || { note failed 'explain should refuse a wrong kernel'; cat err; }

# Google Benchmark's flags keep working.
exits 0 '' run --problem $small --benchmark_list_tests
[ "$(grep -c '^attention/' out)" -eq "$variants" ] && note ok || note failed '--benchmark_list_tests should print a name per variant'
exits 0 '' run --problem $small $fast --benchmark_format=json --benchmark_repetitions=2
file_is_valid out >/dev/null && note ok || note failed '--benchmark_format=json should print JSON alone'
exits 0 '' run --problem $small $fast --benchmark_filter=naive --benchmark_out=x.csv --benchmark_out_format=csv
grep -q '^"attention/naive/' x.csv && note ok || note failed '--benchmark_out_format=csv should write CSV'

# Aggregates alone: in what is shown, or in the file too. Rows are turns, in the file of one run as many of each.
exits 0 '' run --problem $small $fast --variants naive --benchmark_repetitions=3 --benchmark_display_aggregates_only=true --benchmark_format=console --benchmark_out=turns.json
[ "$(grep -c 'attention/naive.*real_time_m' out)" -eq 2 ] && ! grep -q 'attention/naive[^ ]*real_time ' out && note ok || { note failed 'the display should have aggregates only'; cat out; }
python3 -c 'import json; rows = json.load(open("turns.json"))["benchmarks"]
single = [row for row in rows if row["run_type"] == "iteration"]
assert [row["repetition_index"] for row in single] == [0, 1, 2] and len(rows) == 7, rows
assert len({row["iterations"] for row in single}) == 1, single
median = next(row for row in rows if row.get("aggregate_name") == "median")
assert any(row["flops"] == median["flops"] and row["pct_peak"] == median["pct_peak"] for row in single), median' && note ok || note failed 'the file should have all repetitions, and the shares of the median one'
exits 0 '' run --problem $small $fast --variants naive --benchmark_repetitions=3 --benchmark_report_aggregates_only=true --benchmark_out=turns.json
python3 -c 'import json; rows = json.load(open("turns.json"))["benchmarks"]
assert len(rows) == 4 and all(row["run_type"] == "aggregate" for row in rows), rows' && note ok || note failed 'the file should have aggregates only'
exits 0 '' run --problem $small $fast --variants naive,flash --benchmark_min_warmup_time=0.01 --benchmark_out=turns.json
python3 -c 'import json; rows = json.load(open("turns.json"))["benchmarks"]
assert {row["standing"] for row in rows} <= {"fastest", "level", "behind"} and "fastest" in {row["standing"] for row in rows}, rows' && note ok || note failed 'rows should have a standing'

# Google Benchmark's own tool reads the files (Debian: libbenchmark-tools).
compare=/usr/share/benchmark/compare.py
if [ -f $compare ] && python3 -c 'import numpy' 2>/dev/null; then
  python3 $compare benchmarks mine.json mine.json >compared 2>&1 && grep -q 'attention/naive' compared && note ok || {
    note failed 'compare.py should read a result file:'
    cat compared
  }
fi

# Resuming: what has a row is not run again, another seed is refused.
exits 0 '' run --problem $small $fast --variants naive --benchmark_out=resume.json
exits 2 "written with seed '1', this run has '2'" run --problem $small --seed 2 --resume --benchmark_out=resume.json
exits 0 '' run --problem $small $fast --variants 'naive,blocked' --resume --benchmark_out=resume.json
[ "$(file_is_valid resume.json)" -eq 2 ] && [ "$(grep -c '^\[' err)" -eq 1 ] && note ok || note failed 'resume should add one row'

# kill -9 leaves a valid file with the passes that were finished. The case that was running is measured again; it has
# crashed when that ends the next run, too.
killed() { # killed ARGUMENTS...: with passes of the second problem in the file
  ${emulator[@]+"${emulator[@]}"} "$attnbench" run --problem $small --problem h:1/q:16/d:8 --variants naive,blocked --benchmark_out=killed.json "$@" >out 2>err &
  local pid=$!
  for _ in $(seq 300); do grep -q '"run_name": .*/q:16/' killed.json 2>/dev/null && break; sleep 0.1; done
  kill -9 $pid
  wait $pid 2>/dev/null
  file_is_valid killed.json >cases
  python3 -c 'import json; rows = json.load(open("killed.json"))["benchmarks"]
cut = [row for row in rows if row.get("interrupted")]
assert cut and all("/q:16/" in row["name"] and (row["flops"] > 0) for row in cut), cut
assert len({row["run_name"] for row in rows} - {row["run_name"] for row in cut}) == 2, rows' && note ok || note failed 'finished rows and passes should stay'
}
killed --benchmark_min_time=2
mkdir once && cp killed.json* once/
exits 0 'only some passes were measured begin.* anew' run --problem $small --problem h:1/q:16/d:8 --variants naive,blocked $fast --resume --benchmark_out=once/killed.json
! grep -qE 'CRASHED|interrupted' out once/killed.json && [ "$(file_is_valid once/killed.json)" -eq 4 ] && note ok || note failed 'a killed case should be measured again'
python3 - <<'PY'
import json
document = json.load(open("killed.json"))
running = open("killed.json.journal").read().splitlines()[1]
document["context"]["crashed_once"] = running
json.dump(document, open("killed.json", "w"))
PY
exits 1 '' run --problem $small --problem h:1/q:16/d:8 --variants naive,blocked $fast --resume --benchmark_out=killed.json
grep -q CRASHED out && [ "$(file_is_valid killed.json)" -eq 4 ] && note ok || note failed 'a case that crashed twice should be recorded as crashed'

# SIGINT and SIGTERM: finished rows stay, exit 130.
interrupt() { # interrupt SIGNAL PROGRESS ARGUMENTS...: sent soon after the line that begins so; 0 if it ended with 130
  local signal=$1 progress=$2
  shift 2
  python3 - "$signal" "$progress" ${emulator[@]+"${emulator[@]}"} "$attnbench" "$@" <<'PY'
import os, signal, subprocess, sys, time
process = subprocess.Popen(sys.argv[3:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
while not process.stderr.readline().startswith(sys.argv[2]):
    assert process.poll() is None
time.sleep(float(os.environ.get("INTERRUPT_AFTER", "0.3")))
process.send_signal(getattr(signal, "SIG" + sys.argv[1]))
process.stderr.read()
sys.exit(0 if process.wait() == 130 else 1)
PY
}
for signal in INT TERM; do
  two=(--problem $small --problem h:1/q:16/d:8 --variants naive,blocked --benchmark_out=stopped.json)
  INTERRUPT_AFTER=1.5 interrupt $signal '[2/' run "${two[@]}" --benchmark_min_time=2
  [ $? -eq 0 ] && [ "$(file_is_valid stopped.json)" -ge 2 ] && note ok || note failed "SIG$signal should end with 130 and a valid file"
  # The passes that were finished stay, and are not taken for all.
  python3 -c 'import json; rows = json.load(open("stopped.json"))["benchmarks"]
cut = [row for row in rows if row.get("interrupted")]
assert all("/q:16/" in row["name"] for row in cut), cut
assert cut and all(row["repetitions"] < 15 for row in cut), cut' && note ok || note failed 'finished passes should stay'
  exits 0 '' run "${two[@]}" --resume $fast
  python3 -c 'import json; rows = json.load(open("stopped.json"))["benchmarks"]
assert len({row["run_name"] for row in rows}) == 4 and not any("interrupted" in row for row in rows), rows' && note ok || note failed 'resume should finish what was interrupted'
done

# A full disk (here a file size limit): exit 3, what was written before stays.
cp mine.json full.json
(ulimit -f 4 && run run --sweep mine.toml --benchmark_out=full.json)
[ $? -eq 3 ] && grep -q 'cannot write' err && file_is_valid full.json >/dev/null && note ok || { note failed 'a full disk should end with 3'; cat err; }

# tune writes what --variants best then takes.
tiny='--problem h:1/q:8/d:4 --problem h:2/q:1/k:40/d:4 --seconds-per-problem 0.001'
rejects 'belongs to run' tune $tiny --out keep.json $fast
rejects 'there is no folder' tune $tiny --out absent/best.toml
rejects 'is a folder' tune $tiny --out "$folder"
rejects 'leave fill and layout out of' tune --problem h:1/q:8/d:4/fill:peaked --out keep.json
rejects 'nothing can be tuned:' tune --problem h:12/q:10000000/d:64 --out keep.json
exits 2 'seconds-per-problem' tune --problem $small --seconds-per-problem 0 --out keep.json
exits 0 'Choices: best.toml' tune $tiny --isa all --threads 1,2 --out best.toml
[ "$(grep -c '^best = ' best.toml)" -ge 4 ] && [ "$(grep -c '^regret = ' best.toml)" -ge 4 ] && grep -q '^Worst regret: ' out && note ok ||
  { note failed 'tune should choose for every problem, team and ISA'; cat best.toml out; }
[ "$(ls best.toml*)" = best.toml ] && note ok || note failed 'tune should leave no temporary'
exits 0 '' verify --problem $small --variants best --best best.toml
sed "s/^best = .*/best = 'blocked'/" best.toml >blocked.toml
exits 0 '' run --problem $small $fast --isa all --variants best --best blocked.toml --benchmark_out=blocked.json
grep -q '"name": "attention/blocked/' blocked.json && ! grep -qE '"name": "attention/(best|naive)/' blocked.json && note ok || note failed 'best should take the choices of the file'
exits 0 '' run --problem h:1/q:9/d:4 $fast --variants best --best blocked.toml --benchmark_out=policy.json
! grep -q '"attention/blocked/' policy.json && note ok || note failed 'a problem that the file has not should go to the policy'
rejects 'cannot read absent.toml' run --problem $small --variants best --best absent.toml $out
rejects 'add --variants best' run --problem $small --best best.toml $out
sed 's/^schema = .*/schema = /' best.toml >bad.toml
rejects 'bad.toml:[0-9]+: ' run --problem $small --variants best --best bad.toml $out
sed "s/^cores = .*/cores = '4097'/" best.toml >other.toml
exits 3 "4097 cores', this machine is '" run --problem $small --variants best --best other.toml
run_mutants tune --problem h:2/q:40/d:8/mask:causal --variants control,missing_scale --seconds-per-problem 0.001 --out wrong.toml
[ $? -eq 1 ] && grep -q '^FAILED attention/missing_scale' err && grep -q "^best = 'control'" wrong.toml && note ok || { note failed 'tune should fail a wrong kernel and never choose it'; cat err; }
run_mutants tune --problem h:2/q:40/d:8/mask:causal --variants missing_scale --seconds-per-problem 0.001 --out nothing.toml
[ $? -eq 1 ] && [ ! -e nothing.toml ] && note ok || note failed 'tune should write no file without a choice'

# Interrupted: no half file, the one that was there stays.
cp best.toml stopped.toml
interrupt INT '[1/' tune --problem h:1/q:8/d:4 --problem h:1/q:9/d:4 --seconds-per-problem 1 --out stopped.toml
[ $? -eq 0 ] && cmp -s best.toml stopped.toml && [ "$(ls stopped.toml*)" = stopped.toml ] && note ok || note failed 'an interrupted tune should end with 130 and leave the file'

# A wrong kernel never prints a number.
run_mutants run --problem h:2/q:40/d:8/mask:causal $fast --variants no_rescale,missing_scale,first_call_only,writes_input --benchmark_out=wrong.json
[ $? -eq 1 ] && [ "$(grep -c WRONG out)" -ge 1 ] && note ok || note failed 'wrong kernels should end with 1'
python3 -c 'import json; rows = json.load(open("wrong.json"))["benchmarks"]
assert len(rows) == 4 and all(r["error_occurred"] and "flops" not in r for r in rows), rows' && note ok || note failed 'wrong kernels should have no numbers'
run_mutants verify --problem h:2/q:40/d:8/mask:causal --variants missing_scale
[ $? -eq 1 ] && grep -q '^FAILED missing_scale on .*, everywhere: 2 of 2$' out && grep -qx '  softmax_scale looks missing' out && note ok || note failed 'verify should fail a wrong kernel'
grep -q 'error_message.*; softmax_scale looks missing"' wrong.json && note ok || note failed 'a row should say what its outputs look like'
# Kernels after one that wrote where it must not are not blamed, although they meet the same tensors.
run_mutants verify --problem h:2/q:33/d:16 --variants 'writes_input,writes_past_output,wrong_kv_head'
[ $? -eq 1 ] && grep -qE '^wrong_kv_head .* ok ' out && [ "$(grep -c '^FAILED' out)" -eq 2 ] && note ok || { note failed 'verify should blame no kernel for another'; cat out; }
# What failures have in common, and one of them; all on request. Each kernel is told of when it first fails.
run_mutants verify --variants top_left_causal,control --threads 1
[ $? -eq 1 ] && grep -q '^FAILED top_left_causal on .*, only where masked and q != k: 8 of 8$' out && grep -qx '  it looks top-left: query i stands at key i' out &&
  [ "$(grep -c '^FAILED' out)" -eq 1 ] && [ "$(grep -c '^FAILED attention/top_left_causal/' err)" -eq 1 ] && note ok || { note failed 'verify should group failures'; cat out err; }
pasted=$(grep -o '^  attnbench verify .*' out)
run_mutants ${pasted#*attnbench }
[ $? -eq 1 ] && grep -q '^FAILED top_left_causal on .*, everywhere: 1 of 1$' out && note ok || note failed 'the reproducer of a group should fail alone'
run_mutants verify --variants top_left_causal,control --threads 1 --verbose --json all.json
[ $? -eq 1 ] && [ "$(grep -c '^FAILED attention/top_left_causal/' out)" -eq 8 ] && [ "$(grep -c 'attnbench verify ' out)" -eq 9 ] && ! grep -q FAILED err && note ok || note failed 'verify --verbose should print every failure'
python3 -c 'import json; rows = [row for row in json.load(open("all.json")) if not row["passed"]]
assert len(rows) == 8 and all(row["diagnosis"].startswith("it looks top-left") and row["failure"] for row in rows), rows' && note ok || note failed 'verify --json should have every row and its diagnosis'
for wrong in missing_scale:pass:fwd backward_missing_scale:pass:bwd; do
  run_mutants verify --problem "h:2/q:40/d:8/${wrong#*:}/layer:fused" --variants "${wrong%%:*}"
  [ $? -eq 1 ] && grep -q "^FAILED ${wrong%%:*} on " out && note ok || note failed 'verify should fail a layer with a wrong core'
done
exits 0 '' run --problem h:2/q:40/d:8/pass:both/layer:per_head --problem h:2/hkv:1/q:40/k:50/d:8/layer:fused --variants flash $fast --benchmark_out=layer.json
python3 -c 'import json; row, fused = [row for row in json.load(open("layer.json"))["benchmarks"] if row.get("aggregate_name") == "median"]
assert row["name"].startswith("layer/per_head/flash/") and "over_parts" not in row
assert fused["name"].startswith("layer/fused/flash/") and 0.1 < fused["over_parts"] < 100 and "concat_seconds" not in fused, fused
assert min(row["projections_seconds"], row["core_seconds"], row["concat_seconds"], row["flops"]) > 0, row' && note ok || note failed 'a row of a layer should tell its parts'

echo "$passes passed, $failures failed"
[ $failures -eq 0 ]
