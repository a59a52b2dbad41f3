#!/usr/bin/env bash
# usage: ladder_test.sh TOOLS/LADDER
# The ladder tool in a small tree of its own: which run it takes, what it writes, what it refuses.
set -u
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder"/{tools,variants,results/here}
cp "$1" "$folder/tools/ladder"
cd "$folder" || exit 1
failures=0 passes=0

note() {
  if [ "$1" = ok ]; then passes=$((passes + 1)); else failures=$((failures + 1)); echo "FAILED: $2"; fi
}
# exits CODE 'REGEX' ARGUMENTS...: the tool must end so, what it prints must match.
exits() {
  local want=$1 pattern=$2 got
  shift 2
  tools/ladder "$@" >out 2>&1
  got=$?
  if [ "$got" -eq "$want" ] && grep -qE -- "$pattern" out; then note ok; else
    note failed "tools/ladder $*: exit $got (want $want), output should match '$pattern':"
    cat out
  fi
}
shows() { # shows FILE 'LINE'
  grep -qxF -- "$2" "$1" && note ok || { note failed "$1 should have the line '$2':"; cat "$1"; }
}
# record FILE DATE 'VARIANT GFLOPS'...: a run at the ladder's problem and at one more
record() {
  python3 - "$@" <<'PY'
import json, sys
path, date, *figures = sys.argv[1:]
rows = []
for problem in ("b:1/h:12/hkv:12/q:1024/k:1024/d:64/dv:64/dtype:f32/mask:none", "b:1/h:2/hkv:2/q:8/k:8/d:4/dv:4/dtype:f32/mask:causal"):
    for figure in figures:
        variant, gflops = figure.split()
        name = f"attention/{variant}/avx2/{problem}/threads:1/real_time"
        rows.append({"name": name, "run_name": name, "flops": float(gflops) * 1e9, "pct_peak": 1.5,
                     "max_scaled_err": 4e-7, "a_counter_of_later": 1.0})
context = {"date": date, "cpu": "A CPU", "cpu_model": "1", "stepping": "2", "cores": "3", "revision": "abc"}
json.dump({"context": context, "benchmarks": rows}, open(path, "w"))
PY
}

printf '%s\n' '| rung | idea |' '|---|---|' '| [naive](naive.cpp) | a |' '| [second](second.cpp) | b |' '| [third](third.avx2.cpp) | c |' '' \
  '<!-- written by tools/ladder from a recorded run; do not edit -->' '<!-- end of what tools/ladder writes -->' 'after' >variants/README.md
printf '%s\n' '# Title' '<!-- written by tools/ladder from a recorded run; do not edit -->' 'old' '<!-- end of what tools/ladder writes -->' >README.md

exits 2 'no file in results/ has rows'
record results/here/a.json 2026-01-02T00:00:00+00:00 'naive 2' 'third 8'
echo '{"points": []}' >results/here/other.json
exits 1 '^\+\| third \| 8.0 \| 1.5 % \| 4.0x \| 4.0x \| 4.0e-07 \|' --check
grep -qx old README.md && note ok || note failed '--check should change nothing'
exits 0 'wrote variants/README.md from results/here/a.json'
shows variants/README.md '| naive | 2.0 | 1.5 % | 1.0x | - | 4.0e-07 |'
shows variants/README.md '| second | - | - | - | - | - |'
shows variants/README.md '| third | 8.0 | 1.5 % | 4.0x | 4.0x | 4.0e-07 |'
shows variants/README.md '`h:12/q:1024/d:64`, avx2, one thread; A CPU (model 1, stepping 2, 3 cores), revision `abc`, in [this recorded run](../results/here/a.json):'
shows variants/README.md after
shows README.md '| `h:2/q:8/d:4/mask:causal` | 2.0, 2 % | **8.0, 2 %** |'
tools/ladder --check >out 2>&1 && [ ! -s out ] && note ok || note failed '--check should be silent on what was just written'

# Most rungs, then the newest by the file's own date, whatever its name or that of the disk.
record results/here/b.json 2026-01-01T00:00:00+00:00 'naive 2' 'second 4' 'third 8'
record results/here/c.json 2026-01-03T00:00:00+00:00 'naive 2' 'second 5' 'third 8'
record results/here/d.json 2026-01-04T00:00:00+00:00 'naive 2' 'third 9'
exits 1 'from results/here/c.json' --check
exits 0 'wrote README.md from results/here/c.json'
exits 0 'wrote' results/here/b.json
shows variants/README.md '| second | 4.0 | 1.5 % | 2.0x | 2.0x | 4.0e-07 |'
exits 0 '^`h:2/q:8/d:4/mask:causal`, avx2' --problem mask:causal/d:4/q:8/h:2
shows variants/README.md '| second | 4.0 | 1.5 % | 2.0x | 2.0x | 4.0e-07 |'

# Peers: the newest file of that sweep, one and two threads, rows of workers too, ours named.
printf '%s\n' '<!-- peers: written by tools/ladder from a recorded run; do not edit -->' 'old' \
  '<!-- peers: end of what tools/ladder writes -->' >>README.md
record results/here/2026-01-05-abc-peers.json 2026-01-05T00:00:00+00:00 'second 6' 'torch 2' 'blas 3'
sed -i 's#/real_time#/manual_time#g' results/here/2026-01-05-abc-peers.json
exits 0 'wrote README.md' results/here/b.json
shows README.md '| problem | `best` | blas | torch | `best` over the fastest peer |'
shows README.md '| `h:12/q:1024/d:64` | 6 / - (second) | 3 / - | 2 / - | 2.00x / - |'
[ "$(grep -c '^| `h:12/q:1024/d:64`.*(second)' README.md)" -eq 1 ] && note ok || note failed 'a problem has one row'

exits 2 'cannot read .*absent.json' absent.json
echo '{"context": {}' >results/here/torn.json
exits 2 'torn.json: not a result file' results/here/torn.json
exits 2 'other.json: not a result file' results/here/other.json
sed 's/"flops": 2[0-9.e]*/"flops": "many"/' results/here/a.json >text.json
exits 2 'flops is no number' text.json
exits 2 'no row of naive at h:1/q:1/d:1 .*; it has h:12/q:1024/d:64 avx2' --problem h:1/q:1/d:1
exits 2 "key 'd' is missing" --problem h:1/q:1
exits 2 'invalid choice' --isa mmx
exits 2 'unrecognized arguments' --colour
exits 2 'leave --problem and --isa out' --check --isa avx2
sed -i '/^<!-- end/d' README.md
exits 2 "README.md: needs the lines"

echo "$passes passed, $failures failed"
[ $failures -eq 0 ]
