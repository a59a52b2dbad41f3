#!/usr/bin/env bash
# usage: gate_test.sh ATTNBENCH [EMULATOR...]
# attnbench gate, compare and doctor as a user meets them: each answer with its exit code, and each way in which a side,
# the machine or the input can be bad. Times are made up by gate_proxy.py, so that no answer depends on this machine.
set -u
# shellcheck source-path=SCRIPTDIR source=program.sh
source "$(dirname "${BASH_SOURCE[0]}")/program.sh"
attnbench=$(realpath "$1") proxy=$(realpath "$(dirname "${BASH_SOURCE[0]}")/gate_proxy.py")
shift
begin "$@"
unset GITHUB_ACTIONS

# exits CODE 'REGEX' ARGUMENTS...: attnbench must end so, and say so on standard output or error.
exits() {
  local got
  run "${@:3}"
  got=$?
  cat out err >both
  if [ $got -eq "$1" ] && grep -qE -- "$2" both; then pass; else fail "attnbench ${*:3}: exit $got (want $1), should say '$2'"; fi
}
says() { if grep -qE -- "$1" both; then pass; else fail "should say '$1'"; fi; }
# side FAULT...: the command line of a build that has these faults.
side() { echo "python3 $proxy $* -- ${emulator[*]+${emulator[*]} }$attnbench"; }
cases='--problem h:1/q:8/d:4 --problem h:1/q:9/d:4 --variants naive,blocked'
# gate CODE 'REGEX' 'FAULTS OF BASE' 'FAULTS OF CAND' OPTION...
# shellcheck disable=SC2086  # the faults and $cases are several words
gate() { exits "$1" "$2" gate "$(side $3)" "$(side $4)" $cases "${@:5}"; }
# gate_of 'CASES' CODE 'REGEX': of equal builds.
# shellcheck disable=SC2086
gate_of() { exits "$2" "$3" gate "$(side)" "$(side)" $1; }

# The answers.
gate 0 'PASSED: all 4 cases proven' '' '' --out equal
gate 4 'REGRESSED: 4 of 4 cases are slower, by up to \+(9|10|11)\.' '' slower=1.1 --out slower --annotate
says '^::error title=slower::'
gate 0 'PROVEN, faster' '' slower=0.8
gate 4 'REGRESSED' '' slower=1.015 --limit 1
gate 5 'INCONCLUSIVE: . of 4 cases' '' noise=0.3 --max-seconds 3
gate 0 'INCONCLUSIVE: . of 4 cases' '' noise=0.3 --max-seconds 3 --inconclusive pass
gate 0 'PASSED' '' slower=1.008 --min-effect 2
gate 4 'no single case, but the suite' noise=0 'slower=1.0075 noise=0' --limit 10 # a wide limit leaves 1 % and 0.5 % as they are
gate 4 '4 of 4 cases are slower' noise=0 'slower=1.0075 noise=0' --limit 1 --rounds 20 # half of a narrow one counts
gate 4 'no single case, but the suite as a whole is slower by \+1\.' '' slower=1.015 --min-effect 2
gate 5 ' 5  (naive|blocked)/' '' slower=1.1 --rounds 5 # fewer than any evidence needs
for file in gate.json gate.md junit.xml A.json B.json trace.jsonl; do
  if [ -s "slower/$file" ]; then pass; else fail "slower/$file should be there"; fi
done
if python3 - <<'END'
import json, xml.etree.ElementTree as xml
gate = json.load(open("slower/gate.json"))
assert gate["outcome"] == "REGRESSED" and len(gate["cases"]) == 4, gate
for case in gate["cases"]:
    assert abs(case["ratio"] - 1.1) < 0.01 and case["low"] > 1.05 and len(case["rounds"]) >= 12, case
a, b = (json.load(open(f"slower/{side}.json"))["benchmarks"] for side in "AB")
assert [row["name"] for row in a] == [row["name"] for row in b] and len(a) >= 48
suite = xml.parse("slower/junit.xml").getroot().find("testsuite")
assert suite.get("failures") in ("4", "5") and len(suite.findall("testcase/failure")) == int(suite.get("failures"))
END
then pass; else fail "the files should say what was found"; fi
compare=/usr/share/benchmark/compare.py
if [ -f $compare ] && python3 -c 'import numpy, scipy' 2>/dev/null; then
  if python3 $compare benchmarks slower/A.json slower/B.json >out 2>err && grep -q 'naive.*pvalue' out; then pass; else fail 'compare.py should read A.json and B.json'; fi
fi

# Bad input: exit 2, nothing is timed.
exits 2 "needs two command lines" gate
exits 2 "needs two command lines" gate "$attnbench"
exits 2 "'a .b' is no command line: a quote is not closed" gate "a 'b" "$attnbench"
exits 2 "it names a variable that is not set" gate '$no_such_variable/attnbench' "$attnbench"
gate 2 "min-effect 5 must be below --limit 3" '' '' --min-effect 5
gate_of '--problem h:1/q:8/d:4 --variants nonsense' 2 "'nonsense' matches no variant"
gate 2 "neither a file nor a name" '' '' --sweep nonsense
gate_of '--problem h:1/q:8/d:4 --variants naive --threads 2' 2 "there is nothing to compare"
gate 2 "q=0 is not between" '' '' --problem h:1/q:0/d:1
gate_of '--problem h:64/q:1/k:40000000/d:128 --variants split_kv' 2 "one iteration is predicted to take"
gate 2 "cannot make the folder" '' '' --out /proc/nowhere
touch taken
gate 2 "cannot make the folder" '' '' --out taken
gate 2 "cannot read absent.json" '' '' --floors absent.json
for floor in 0.5 2.1 null; do
  echo "{\"floors\": {\"x\": $floor}}" >bad.json
  gate 2 "floors bad.json: .*(a floor is a ratio from 1 to 2|null)" '' '' --floors bad.json
done
for option in --limit --min-effect --alpha --max-seconds --hang-seconds; do
  gate 2 "$option: 'nan' is not a" '' '' $option nan
  gate 2 "$option: '-1' is not a" '' '' $option=-1
done
gate 2 "cannot read absent" '' '' --same-code absent
gate 2 "inconclusive" '' '' --inconclusive maybe
gate 2 "belongs to run" '' '' --benchmark_min_time=1

# The environment: exit 3, one message that names the side; what was measured is kept.
exits 3 "the base '/no/such/attnbench' cannot be started" gate /no/such/attnbench "$attnbench" $cases
exits 3 "the candidate '/no/such/attnbench' cannot be started" gate "$(side)" /no/such/attnbench $cases --out dead
if grep -q 'ENVIRONMENT' dead/gate.md && grep -q '<error' dead/junit.xml; then pass; else fail 'a dead binary should be in the report'; fi
exits 3 "the base ended with exit code 0.*knows the command worker" gate 'true' "$attnbench" $cases
exits 3 "the base answered with something else than a worker's hello" gate 'yes' "$attnbench" $cases
exits 3 "the candidate ended with exit code 2.*knows the command worker" gate "$(side)" "${emulator[*]+${emulator[*]} }$attnbench list --nonsense" $cases
gate 3 "cpu: base 'Other', candidate '" fact:cpu=Other ''
gate 3 "compiler: base '.*', candidate 'icc'" '' fact:compiler=icc
gate 3 "the base is a debug build" 'fact:flags=Debug' 'fact:flags=Debug'
gate 3 "speaks version 9 of the worker protocol" '' protocol=9
gate 3 "only the base has attention/blocked/.*" '' drop=blocked
gate 0 "PASSED: all 2 cases" '' drop=blocked --common
gate 3 "the candidate crashed \(SIGSEGV\), in screen round 1 of attention/" '' crash_after=20 --out crashed
gate 3 "the base crashed \(SIGSEGV\)" crash_after=5 ''
gate 3 "the candidate hung: no answer for 1 s; it was ended, in screen round 1" '' hang_after=7 --hang-seconds 1
gate 3 "the candidate answered with something else than JSON" '' garbage_after=7
if python3 -c 'import json; g = json.load(open("crashed/gate.json")); assert g["outcome"] == "ENVIRONMENT" and any(c["rounds"] for c in g["cases"]), g'; then
  pass; else fail 'what was measured before a crash should be kept'; fi

# A candidate that has become too slow to take turns is measured; only the base can leave a case out, and it is told.
gate 4 'REGRESSED: 4 of 4' '' 'slower=1.5 plan=1'
gate 2 'there is nothing to compare' 'plan=1' ''
says 'one iteration is predicted'

# Nothing is lost to a typo.
echo precious >slower/trace.jsonl
gate 2 "q=0 is not between" '' '' --problem h:1/q:0/d:1 --out slower
if [ "$(cat slower/trace.jsonl)" = precious ]; then pass; else fail 'bad input should leave the report of another run alone'; fi

# Wrong results: exit 1, no number.
gate 1 'WRONG RESULTS: 4 of 4' '' wrong_prep
says 'candidate: o\[b=0\] is not what it should be'
gate 1 'WRONG RESULTS: 4 of 4' wrong_run ''

# Full disk: exit 3.
(ulimit -f 4 && run gate "$(side)" "$(side)" $cases --out full)
if [ $? -eq 3 ] && cat out err | grep -q 'cannot write'; then pass; else fail 'a full disk should end with 3'; fi

# interrupts SIGN BYTES FILE ARGUMENTS...: SIGINT, when the file SIGN has so many bytes, must end attnbench with 130, and
# FILE hold the rounds until then.
interrupts() {
  if python3 - "$1" "$2" "$3" ${emulator[@]+"${emulator[@]}"} "$attnbench" "${@:4}" <<'PY'
import json, os, signal, subprocess, sys, time
sign, size, kept = sys.argv[1:4]
process = subprocess.Popen(sys.argv[4:], stdout=open("out", "w"), stderr=open("err", "w"))
for _ in range(600):
    if os.path.exists(sign) and os.path.getsize(sign) >= int(size):
        break
    time.sleep(0.1)
process.send_signal(signal.SIGINT)
assert process.wait() == 130, process.returncode
content = json.load(open(kept))
assert any(part["rounds"] for part in content.get("cases", [content])), content
PY
  then pass; else fail "attnbench ${*:4}: SIGINT should end with 130 and keep what was measured"; fi
}
# shellcheck disable=SC2086
interrupts stopped/gate.json 1 stopped/gate.json gate "$(side)" "$(side)" $cases --rounds 900 --max-seconds 900 --out stopped
if grep -q 'INTERRUPTED after' out && grep -q '"INTERRUPTED"' stopped/gate.json; then pass; else fail 'SIGINT should be in the report'; fi

# compare: two variants, instruction sets or teams of this build. These are real times: only what cannot depend on them.
small='--problem h:1/q:64/d:32 --rounds 3'
exits 5 'B / A +[0-9.]+, 3 rounds' compare naive blocked $small --json duel.json
if python3 -c 'import json; d = json.load(open("duel.json")); assert d["faster"] == "unknown" and len(d["rounds"]) == 3 and "/naive/" in d["A"], d'; then pass; else fail 'compare --json'; fi
isa=$(${emulator[@]+"${emulator[@]}"} "$attnbench" list --json | python3 -c 'import json, sys; print(next(r["isa"] for r in json.load(sys.stdin) if r["name"] == "naive" and r["runs_here"]))')
exits 5 "A .* flash/.*threads:2" compare flash@2 "flash/$isa" $small
# One variant in two dtypes: the same problem otherwise, each side with its dtype and its error.
exits 5 'A .* error [0-9]e-0[23]  bf16 flash/[a-z0-9]+ h:1/q:64/d:32$' compare flash/dtype:bf16 flash $small --json duel.json
says 'B .* error [0-9]e-0[678]  f32 flash/[a-z0-9]+ h:1/q:64/d:32$'
says 'rounded to bf16 for A and to f32 for B; each error is of its own inputs'
if python3 -c '
import json; d = json.load(open("duel.json"))
assert "/dtype:bf16/" in d["A"] and "/dtype:f32/" in d["B"] and (d["a_dtype"], d["b_dtype"]) == ("bf16", "f32"), d
assert 1e-4 < d["a_scaled_error"] < 0.05 and 0 < d["b_scaled_error"] < 1e-5, d'; then pass; else fail 'compare in two dtypes --json'; fi
exits 5 'A .* f16 flash/.*threads:2$' compare "flash/$isa/dtype:f16@2" naive/dtype:f32 $small
exits 5 'B .* flash/[a-z0-9]+ h:1/q:64/d:32/dtype:bf16$' compare naive flash --problem h:1/q:64/d:32/dtype:bf16 --rounds 3
if grep -q 'rounded to' both; then fail 'two sides of one dtype have the same inputs'; else pass; fi
exits 2 "A 'flash/dtype:f8': there is no dtype 'f8'; valid: f32, bf16, f16" compare flash/dtype:f8 flash $small
exits 2 "B 'flash/mask:causal': valid: VARIANT\[/ISA\]\[/dtype:DTYPE\]\[@THREADS\], such as .*--problem says for both" \
  compare flash flash/mask:causal $small
exits 2 "A 'vectorized/dtype:bf16' cannot be run:" compare vectorized/dtype:bf16 flash $small
exits 2 "A and B are the same case" compare flash/dtype:f32 flash $small
# duel CODE 'REGEX' 'FAULTS' OPTION...: of workers that have these faults.
duel() {
  local launcher=${ATTN_LAUNCHER-}
  # shellcheck disable=SC2086
  ATTN_LAUNCHER="python3 $proxy $3 -- $launcher" exits "$1" "$2" compare naive blocked --problem h:1/q:8/d:4 "${@:4}"
}
duel 0 'equal within' ''
duel 3 'the worker of [AB] crashed \(SIGSEGV\), after 0 rounds' crash_after=2
duel 3 'the worker of [AB] crashed .*, after [1-9] rounds' crash_launch=8 --json cut.json
says 'B / A +[0-9.]+, [1-9] rounds'
if python3 -c 'import json; d = json.load(open("cut.json")); assert d["rounds"] and "crashed" in d["failure"], d'; then pass; else fail 'rounds before a crash should be kept'; fi
duel 3 'the worker of [AB] hung' hang_after=3 --hang-seconds 1
duel 1 'FAILED worker of [AB]: o\[b=0\]' wrong_run
duel 2 'A cannot be compared:' plan=1
rm launches
ATTN_LAUNCHER="python3 $proxy crash_launch=99999 -- ${ATTN_LAUNCHER-}" \
  interrupts launches 8 stopped.json compare naive blocked --problem h:1/q:8/d:4 --rounds 900 --json stopped.json # a launch, two a round
if grep -q 'B / A' out; then pass; else fail 'an interrupted comparison should say what it found'; fi
exits 2 "A and B are the same case" compare naive naive $small
exits 2 "A 'nonsense': .*matches no variant" compare nonsense naive $small
exits 2 "B 'naive@0': .*is not a team size" compare flash naive@0 $small
exits 2 "B 'naive@2' cannot be run:.*" compare flash naive@2 $small
exits 2 "A 'flash/mmx': .*unknown ISA" compare flash/mmx naive $small
exits 2 "valid: VARIANT\[/ISA\]" compare flash/avx2/3 naive $small
exits 2 "A '.*' is [0-9]+ cases, such as .*name one" compare '.*' naive $small
exits 2 "problem" compare flash naive
exits 2 "key 'q' is missing" compare flash naive --problem h:1/d:4
exits 2 "there is no folder" compare flash naive $small --json absent/x.json

# doctor: one line per symptom, each with its remedy. Whether this machine is in order is its own affair.
run doctor --seconds 0.1
code=$?
if { [ $code -eq 0 ] || [ $code -eq 3 ]; } && [ "$(grep -cE '^(ok|note|BAD) ' out)" -eq 13 ] && [ "$(grep -c '^ *> ' out)" -eq "$(grep -cE '^(note|BAD) ' out)" ]; then
  pass; else fail "doctor: exit $code"; fi
run doctor --seconds 0.1 --json
if python3 -c 'import json; d = json.load(open("out")); assert len(d["symptoms"]) == 13 and d["round_deviation"] >= 0, d'; then pass; else fail 'doctor --json'; fi
exits 2 'seconds' doctor --seconds -1

finish
