#!/usr/bin/env bash
# usage: worker_test.sh ATTNBENCH ATTNBENCH_MUTANTS PLAIN_C FAULTY_FOLDER [EMULATOR...]
# Kernels in worker processes: what goes wrong there costs one row, never the sweep; and the protocol itself.
set -u
# shellcheck source-path=SCRIPTDIR source=program.sh
source "$(dirname "${BASH_SOURCE[0]}")/program.sh"
attnbench=$(realpath "$1") mutants=$(realpath "$2") good=$(realpath "$3") faulty=$(realpath "$4")
shift 4
hostile=$(cd "$(dirname "${BASH_SOURCE[0]}")/mutants/hostile" && ls | sed -n 's/\.cpp$//p')
begin "$@"

# rows FILE: "variant failure-or-ok" of each case; a case is ok when all of its turns are.
rows() {
  python3 - "$1" <<'END'
import json, sys
seen = {}
for row in json.load(open(sys.argv[1]))["benchmarks"]:
    if "aggregate_name" in row: continue
    ok = not row.get("error_occurred") and row["flops"] > 0 and row["real_time"] > 0 and row["cpu_time"] > 0
    if not ok or row["run_name"] not in seen: seen[row["run_name"]] = "ok" if ok else row.get("error_message", "no figures")
for name, outcome in seen.items(): print(name.split("/")[1], outcome)
END
}

# marked FILE VARIANT MARK: of how many of the variant's cases all rows have the mark.
marked() {
  python3 - "$@" <<'END'
import json, sys
cases = {}
for row in json.load(open(sys.argv[1]))["benchmarks"]:
    if row["name"].split("/")[1] == sys.argv[2]: cases.setdefault(row["run_name"], []).append(sys.argv[3] in row.get("marks", {}))
print(sum(all(marks) for marks in cases.values()))
END
}

# A faulty kernel between two good ones, one of them of the same process's making and one of another plugin's.
small=h:1/q:8/d:4
# costs_one_row FAULT 'REGEX': its own row fails and says so, the others are measured, exit 1.
costs_one_row() {
  local got
  run run --plugin "$faulty/$1.so" --plugin "$good" --problem $small --variants naive,faulty,plain_c --hang-seconds 2 \
    --benchmark_min_time=0.001 --benchmark_out=rows.json
  got=$?
  rows rows.json >seen
  if [ $got -eq 1 ] && grep -qE "^faulty (on [^ ]*: )?$2" seen && grep -qx 'naive ok' seen && grep -qx 'plain_c ok' seen &&
    [ "$(wc -l <seen)" -eq 3 ]; then pass; else fail "$1 should cost one row that says '$2', exit 1; exit $got: $(cat seen)"; fi
}
costs_one_row crashes 'its worker crashed \(SIGSEGV\)'
costs_one_row crashes_later 'its worker crashed \(SIGSEGV\)'
costs_one_row hangs 'its worker hung: no answer for 2 s; it was ended'
costs_one_row writes_past_o '(it wrote [0-9]+ bytes past the end of o, row [0-9]+ of head 0|its worker crashed \(SIGSEGV\))'
costs_one_row writes_far_past_o 'its worker crashed \(SIGSEGV\)'
costs_one_row exits 'its worker ended with exit code 0'
costs_one_row writes_nan 'o\[b=0'
costs_one_row writes_input 'it wrote to an input'
costs_one_row cannot_prepare 'could not prepare itself: faulty/'

# A crash costs the row of each problem; the worker is there again for the next.
run run --plugin "$faulty/crashes_later.so" --problem $small --problem h:1/q:9/d:4 --variants faulty \
  --benchmark_min_time=0.001 --benchmark_repetitions=3 --benchmark_out=rows.json
if [ $? -eq 1 ] && [ "$(rows rows.json | grep -c 'crashed')" -ge 2 ]; then pass; else fail "two crashed rows"; fi

# A kernel that computes where nobody times it says so in its row, and one that hardly anything could fail.
for mark in works_in_finish:untimed_work loose:loose_tolerance; do
  run run --plugin "$faulty/${mark%:*}.so" --problem h:1/q:400/d:64 --variants faulty --benchmark_min_time=0.01 --benchmark_out=rows.json
  if [ $? -eq 0 ] && python3 - "${mark#*:}" <<'END' && grep -q "${mark#*:}" out
import json, sys
assert all(sys.argv[1] in row["marks"] for row in json.load(open("rows.json"))["benchmarks"])
END
  then pass; else fail "${mark%:*} should be marked ${mark#*:}"; fi
done

# verify goes on after it, too.
run verify --plugin "$faulty/crashes.so" --problem $small --variants naive,faulty
if [ $? -eq 1 ] && grep -q 'its worker crashed (SIGSEGV)' out && grep -qE 'naive .* ok ' out; then pass; else fail "verify"; fi

# What a kernel prints is no answer of the worker's.
run run --plugin "$faulty/prints.so" --problem $small --variants faulty --benchmark_min_time=0.001 --benchmark_out=rows.json
if [ $? -eq 0 ] && rows rows.json | grep -qx 'faulty ok' && grep -q 'is no answer' err; then pass; else fail "prints"; fi

# Repetitions: aggregates carry the worker's CPU time, and no counter that JSON cannot hold (naive has no workspace in
# some problems, and a coefficient of variation of 0 is NaN).
run run --plugin "$good" --problem h:1/q:64/d:16 --variants naive,vectorized,plain_c --benchmark_min_time=0.001 \
  --benchmark_repetitions=3 --benchmark_enable_random_interleaving=true --benchmark_out=rows.json
if [ $? -eq 0 ] && python3 - <<'END'
import json
rows = json.load(open("rows.json"))["benchmarks"]
assert len(rows) == 3 * 7, len(rows)  # repetitions, mean, median, stddev, cv
medians = [r for r in rows if r.get("aggregate_name") == "median"]
assert len(medians) == 3 and all(r["cpu_time"] > 0 for r in medians), medians
END
then pass; else fail "repetitions"; fi
if grep -q '^\[3/3\]' err && ! grep -q '^\[4/3\]' err; then pass; else fail "three cases, each finished once"; fi

# Built-in kernels in a worker: same rows, and one that crashes there leaves the others alone.
run run --isolate --problem $small --variants naive,blocked --benchmark_min_time=0.001 --benchmark_out=rows.json
if [ $? -eq 0 ] && [ "$(rows rows.json | grep -c ' ok$')" -eq 2 ] && grep -q '/manual_time' rows.json; then pass; else fail "--isolate"; fi
${emulator[@]+"${emulator[@]}"} "$mutants" run --isolate --problem h:2/q:64/d:16 --variants 'control,reads_past_k,missing_scale' \
  --benchmark_min_time=0.001 --benchmark_out=rows.json >out 2>err
if [ $? -eq 1 ] && rows rows.json | grep -qx 'control ok' && rows rows.json | grep -qE '^missing_scale on [^ ]*: o\['; then pass; else fail "mutants"; fi

# Right on what is timed, and wrong on a length that is not: the small problems before it tell, with the features of the
# case alone.
for problem in h:4/q:1/k:64/d:64 h:4/q:64/d:64/mask:causal; do
  ${emulator[@]+"${emulator[@]}"} "$mutants" run --problem "$problem" --variants loses_one_key --benchmark_min_time=0.001 \
    --benchmark_out=rows.json >out 2>err
  if [ $? -eq 1 ] && rows rows.json | grep -qE '^loses_one_key on b:1/h:[0-9]+/[^ ]*/k:[0-9]{3,}/[^ ]*: o\['; then pass
  else fail "a kernel that loses a key of long contexts, $problem: $(rows rows.json)"; fi
  pasted=$(grep -o 'attnbench verify .*' out | head -n 1)
  if ${emulator[@]+"${emulator[@]}"} "$mutants" ${pasted#attnbench } >out 2>err || [ $? -ne 1 ]; then fail "$pasted"; else pass; fi
done

# Right when it is checked and wrong when it is timed: no number, in this process or in a worker. Small enough for the
# fifty calls of that mutant to be over before the timing, under an emulator too.
for where in '' --isolate; do
  ${emulator[@]+"${emulator[@]}"} "$mutants" run $where --problem $small --variants 'control,idle_when_hot' \
    --benchmark_min_time=0.05 --benchmark_out=rows.json >out 2>err
  if [ $? -eq 1 ] && rows rows.json | grep -qx 'control ok' && rows rows.json | grep -q '^idle_when_hot after timing: o\['
  then pass; else fail "a kernel that is right only when it is checked $where"; fi
done

# Kernels that cheat or misbehave, on every ISA of this CPU: each row is a failed one, or says it.
${emulator[@]+"${emulator[@]}"} "$mutants" run --isolate --isa all --threads 2 --problem h:8/q:96/d:32 --problem h:8/q:96/d:32/pass:bwd \
  --variants "control,control_backward,$(grep -v idle_when_hot <<<"$hostile" | paste -sd,)" \
  --benchmark_min_time=0.02 --benchmark_out=rows.json >out 2>err
got=$?
isas=$(rows rows.json | grep -c '^exits_at_once ')
want=$((isas * $(wc -w <<<"$hostile")))
rows rows.json | grep -v '^control' >failed
# Fifty calls come soon enough on the busiest machine where they are short.
${emulator[@]+"${emulator[@]}"} "$mutants" run --isolate --isa all --problem $small --variants idle_when_hot \
  --benchmark_min_time=0.02 --benchmark_out=idle.json >out 2>err
rows idle.json >>failed
# A double team shows on one thread: where the row's own team has every core, the others may find none.
${emulator[@]+"${emulator[@]}"} "$mutants" run --isolate --isa all --threads 1 --problem h:8/q:96/d:32 \
  --variants control,double_team_when_hot --benchmark_min_time=0.02 --benchmark_out=one.json >out 2>err
# Three of them are right, and say in their rows what they did.
for mark in one:double_team_when_hot:suspect_threads rows:works_in_finish:untimed_work rows:asks_for_tolerance:loose_tolerance; do
  IFS=: read -r file mark <<<"$mark"
  [ "$(marked $file.json "${mark%:*}" "${mark#*:}")" -eq $isas ] && sed -i "s/^${mark%:*} ok$/${mark%:*} marked/" failed
done
if [ $got -eq 1 ] && ((isas > 0)) && [ "$(rows rows.json | grep -cxE 'control(_backward)? ok')" -eq 2 ] && [ "$(marked one.json control suspect_threads)" -eq 0 ] && [ "$(wc -l <failed)" -eq $want ] && ! grep ' ok$' failed
then pass; else fail "hostile kernels: $(cat failed)"; fi

# Ctrl-C while a worker hangs ends the command at once, long before its patience does; 130.
python3 - ${emulator[@]+"${emulator[@]}"} "$attnbench" run --plugin "$faulty/hangs.so" --problem $small --variants faulty \
  --hang-seconds 300 >out 2>err <<'END'
import signal, subprocess, sys, time
process = subprocess.Popen(sys.argv[1:])
time.sleep(1)
process.send_signal(signal.SIGINT)
sys.exit(process.wait(timeout=60))
END
got=$?
if [ $got -eq 130 ]; then pass; else fail "an interrupt while a worker hangs: exit $got"; fi

# The protocol: a hello, answers in order, errors that leave the process alive, the end by quit or end of input.
case_name=attention/plain_c/$(run list --json --plugin "$good"; python3 -c 'import json; print([r["isa"] for r in json.load(open("out")) if r["name"] == "plain_c"][0])')/$small/threads:1
cat >requests <<END
inputs {"seed": 7}
plan $case_name
prep $case_name
run $case_name 3
measure $case_name 1000
prep attention/absent/sse2/$small/threads:1
run $case_name 0
run $case_name x
prep attention/plain_c/h:1/threads:1
jump
inputs {"seed": "text"}
quit
END
${emulator[@]+"${emulator[@]}"} "$attnbench" worker --plugin "$good" <requests >out 2>err
status=$?
if python3 - $status <<'END'
import json, sys
lines = [json.loads(line) for line in open("out")]
assert sys.argv[1] == "0", sys.argv[1]
assert len(lines) == 12, len(lines)
hello, seed, plan, prep, run, measure, *errors = lines
assert hello["hello"] == "attnbench worker" and hello["protocol"] == 1 and hello["facts"]["compiler"]
assert {"name", "isa", "features"} <= set(hello["variants"][0]) and hello["plugins"][0]["variants"][0]["name"] == "plain_c"
assert seed == {"ok": True}
assert plan["ok"] and plan["refused"] == "" and plan["flops_per_second"] > 0
assert prep["ok"] and prep["verdict"]["passed"] and prep["verdict"]["rows_checked"] == 8
for m in run, measure:
    assert m["ok"] and m["verdict"]["passed"] and m["checksum"] == prep["checksum"] and m["wall_seconds"] > 0
assert measure["threads_used"] >= 0 and measure["pct_bandwidth"] > 0 and "pct_bandwidth" not in run
wanted = ["there is no absent/sse2", "0 calls; valid: 1 or more", "'x' is no whole number", "row name", "'jump' is no request", "type"]
for answer, want in zip(errors, wanted, strict=True):
    assert answer["ok"] is False and want in answer["error"], (want, answer)
END
then pass; else fail "protocol"; fi
# Outputs known from elsewhere are not taken to the oracle again; others are.
checksum=$(python3 -c 'import json; print([json.loads(l) for l in open("out")][3]["checksum"])')
printf 'inputs {"seed": 7}\nprep %s %s\nprep attention/plain_c/x 1\n' "$case_name" "$checksum" |
  ${emulator[@]+"${emulator[@]}"} "$attnbench" worker --plugin "$good" >out 2>err
if python3 -c 'import json; p = [json.loads(l) for l in open("out")][2]; assert p["verdict"]["passed"] and p["verdict"]["rows_checked"] == 0, p'
then pass; else fail "known checksum"; fi
printf 'prep %s 12345\n' "$case_name" | ${emulator[@]+"${emulator[@]}"} "$attnbench" worker --plugin "$good" >out 2>err
if python3 -c 'import json; p = [json.loads(l) for l in open("out")][1]; assert p["verdict"]["passed"] and p["verdict"]["rows_checked"] == 8, p'
then pass; else fail "unknown checksum"; fi

# Between requests a worker does not run, whatever its threads would like to do; and none is left behind.
if [ ${#emulator[@]} -eq 0 ]; then
  "$attnbench" run --isolate --plugin "$good" --problem h:4/q:256/d:64 --variants blocked,plain_c --benchmark_min_time=1 \
    >out 2>err &
  parent=$! states='' workers=''
  children() { cat /proc/$parent/task/$parent/children 2>/dev/null; }
  while kill -0 $parent 2>/dev/null; do
    sleep 0.05
    workers+=" $(children)"
    # By one process, so that little happens between looking at one and the other.
    # shellcheck disable=SC2046
    states+=$(awk '{print $3}' $(printf '/proc/%s/stat ' $(children)) 2>/dev/null | sort | tr -d '\n')' '
  done
  wait
  # R and T: one at work, the other stopped. Two at work may only be seen before the first request, and where one followed
  # the other between two looks.
  one=$(grep -o 'RT' <<<"$states" | wc -l) two=$(grep -o 'RR' <<<"$states" | wc -l)
  if ((one > 10 && 10 * two <= one)); then
    pass
  else
    fail "states of two workers that take turns: $states"
  fi
  left=$(for p in $(tr ' ' '\n' <<<"$workers" | sort -u); do [ -d "/proc/$p" ] && echo "$p"; done)
  if [ -n "$workers" ] && [ -z "$left" ]; then pass; else fail "workers left behind: $left"; fi
fi

finish
