#!/usr/bin/env bash
# usage: terminal_test.sh ATTNBENCH
# What a person sees: terminals of any width, pipes, sweeps of one's own, exports.
set -u
attnbench=$(realpath "$1")
# shellcheck source-path=SCRIPTDIR source=program.sh
source "$(dirname "${BASH_SOURCE[0]}")/program.sh"
begin
fast=--benchmark_min_time=0.001

# in_terminal COLUMNS ARGUMENTS...: what attnbench shows on a terminal, line breaks as in a file.
in_terminal() {
  local columns=$1
  shift
  python3 - "$columns" "$attnbench" "$@" >out <<'END'
import fcntl, os, pty, struct, subprocess, sys, termios
host, terminal = pty.openpty()
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(sys.argv[1]), 0, 0))
process = subprocess.Popen(sys.argv[2:], stdout=terminal, stderr=terminal)
os.close(terminal)
text = b""
while True:
    try:
        piece = os.read(host, 65536)
    except OSError:
        break
    if not piece:
        break
    text += piece
sys.stdout.write(text.decode().replace("\r\n", "\n"))
sys.exit(process.wait())
END
}
# Lines that are wider than that, control sequences not counted; a line that is rewritten is several. What has no space in
# it cannot be broken.
wider_than() {
  python3 -c 'import re, sys
text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", open("out").read())
lines = [line for piece in text.split("\n") for line in piece.split("\r")]
print(sum(len(line) > int(sys.argv[1]) and " " in line.strip() for line in lines))' "$1"
}
some=(--problem h:2/q:16/d:8/mask:causal --problem h:1/q:1/k:64/d:8 --variants naive,flash)

export TERM=xterm
unset NO_COLOR
for columns in 20 40 80 200; do
  in_terminal $columns run "${some[@]}" "$fast" || fail "a run in a terminal of $columns columns"
  [ "$(wider_than $columns)" -eq 0 ] && pass || fail "lines are wider than a terminal of $columns columns"
  grep -q $'\033\\[1m' out && pass || fail "the fastest is not bold in a terminal of $columns columns"
done
grep -qE 'cores; attnbench .*; load [0-9.]+; seed 1' out && pass || fail 'no header'
in_terminal 20 verify --problem h:2/q:16/d:8 --variants naive || fail 'verify in a narrow terminal'
[ "$(wider_than 80)" -eq 0 ] && pass || fail 'verify in a narrow terminal is wide'
NO_COLOR=1 in_terminal 80 run "${some[@]}" "$fast"
grep -q $'\033\\[1m' out && fail 'NO_COLOR is not heeded' || pass
TERM=dumb in_terminal 80 run "${some[@]}" "$fast"
grep -q $'\033' out && fail 'escape sequences on a dumb terminal' || pass
expect 0 out 'GFLOP/s' run "${some[@]}" "$fast"
cat err >>out
{ [ "$(wider_than 80)" -eq 0 ] || grep -q '^\[' err; } && ! grep -q $'\033' out && pass || fail 'a pipe has 80 columns and no colours'

# What nobody asked for is no news; what somebody named is.
expect 0 out 'GFLOP/s' run --problem h:1/q:8/d:4 "$fast"
grep -qE 'backward|does not support: f32' out && fail 'kernels of another pass or dtype are listed as skipped' || pass
expect 0 out 'computes the backward pass only' run --problem h:1/q:8/d:4 --variants naive,flash_backward "$fast"
rejects 'flash_backward computes the backward pass only|does not support: backward' --problem h:1/q:8/d:4/pass:bwd --variants naive
# More threads than CPUs are told once, with the team's size.
expect 0 out '~ oversubscribed: [0-9]+ threads on [0-9]+ CPU' run --problem h:8/q:64/d:8 --variants flash,lazy_max --threads $((2 * $(nproc))) "$fast"
[ "$(cat out err | grep -c oversubscribed)" -eq 1 ] && pass || fail 'too many threads are told more than once'

expect 0 out '^attnbench .*' --version
expect 0 out 'exit codes: 0 good' --help
expect 0 out 'benchmark_repetitions=N' run --help

# Axes.
expect 0 out '16 cases' run --problem d:8 --axis q=8:64:x2 --axis h=1,2 --variants naive,flash --dry-run
expect 0 out '4 cases' run --problem d:8 --axis q=8,16 --axis h=1,2 --zip --variants naive,flash --dry-run
expect 0 out 'h:4/hkv:4/q:1/k:256/d:8' run --problem h:4/d:8 --depth 128:256:x2 --variants naive --dry-run
expect 0 out 'h:4/hkv:4/q:3/k:256/d:8' run --problem h:4/q:3/d:8 --depth 128:256:x2 --variants naive --dry-run
expect 0 out 'naive' verify --problem h:2/d:8 --axis q=5,6 --variants naive
rejects "axis 'q=8': |key 'h' is missing" --axis q=8 --problem d:8
rejects "axis 'q=8:4:x2': 4 is below 8: the range is empty" --problem h:1/d:8 --axis q=8:4:x2
rejects "axis 'q=1:100000:\+1': more than 10000 values" --problem h:1/d:8 --axis q=1:100000:+1
rejects 'the axes make more than 10000 problems' --problem d:8 --axis q=1:200:+1 --axis h=1:200:+1
rejects "'q' is an axis, and problem 'h:1/q:8/d:8' has it too" --problem h:1/q:8/d:8 --axis q=8,16
rejects "unknown key 'colour'" --problem h:1/q:8/d:8 --axis colour=red
rejects 'q=0 is not between' --problem h:1/d:8 --axis q=0,8
rejects '--zip joins two axes or more' --problem h:1/d:8 --axis q=8,16 --zip
rejects '--axis varies --problem; in the file of a sweep write axis' --sweep quick --axis q=8,16
rejects "--depth: axis 'k=8:4:x2'" --problem h:1/d:8 --depth 8:4:x2

# Two lines are a sweep; axes in it; whose attention it is rides in row, table and exports.
printf '[[problem]]\nproblem = "h:1/q:8/d:4"\n' >two.toml
expect 0 out 'GFLOP/s' run --sweep two.toml --variants naive "$fast"
printf '[[problem]]\naxis = ["q=8,16", "h=1,2"]\nzip = true\nproblem = "d:4/mask:causal"\nmodel = "a model"\n' >axes.toml
expect 0 out 'a model' run --sweep axes.toml --variants naive,flash "$fast" --benchmark_out=axes.json --export-csv axes.csv --export-markdown axes.md
python3 -c 'import json; rows = json.load(open("axes.json"))["benchmarks"]; assert rows and all(r["model"] == "a model" for r in rows)' && pass || fail 'rows have no model'
python3 -c 'import csv
rows = list(csv.DictReader(open("axes.csv")))
assert [(r["q"], r["h"]) for r in rows if r["variant"] == "naive"] == [("8", "1"), ("16", "2")], rows
assert all(r["status"] == "good" and float(r["seconds"]) > 0 and float(r["tokens_per_second"]) > 0 for r in rows)' && pass || fail 'the CSV has other rows'
grep -q '^| `h:2/q:16/d:4/mask:causal` a model | ' axes.md && pass || fail 'the Markdown has other rows'
# The next run of the sweep tells what changed since.
expect 0 out 'Since axes.json \(20' run --sweep axes.toml --variants naive "$fast" --benchmark_out=axes.json
printf 'colour = "red"\nbudget_seconds = -1\n[[problem]]\nproblem = "h:1/q:0/d:4"\nmodel = 3\n[[problem]]\naxis = ["q=8:4:x2"]\n' >faults.toml
rejects "faults.toml:1: unknown key 'colour'" --sweep faults.toml
for fault in "faults.toml:2: 'budget_seconds' is not" "faults.toml:4: problem 'h:1/q:0/d:4': q=0" \
  "faults.toml:5: 'model' is not" "faults.toml:7: axis 'q=8:4:x2': 4 is below 8"; do
  grep -qF "$fault" err && pass || fail "not told with the other faults: $fault"
done

# Exports are opened before anything is measured, and are not each other's.
rejects 'no_such_folder' --problem h:1/q:8/d:4 --export-csv no_such_folder/x.csv
rejects 'another output of this run goes there' --problem h:1/q:8/d:4 --export-csv x --export-markdown ./x
rejects 'another output of this run goes there' --problem h:1/q:8/d:4 --export-csv keep.json

# doctor speaks of a run that was disturbed, and of no other.
python3 - <<'END'
import json
peak = [{"isa": "sse2", "threads": 1, "f32_fma": {"flops_per_second": 40e9}}]
name = "attention/flash/sse2/h:1/q:64/d:8/threads:1"
def file(path, flops):
    row = {"name": name, "run_name": name, "flops": flops, "pct_peak": 50.0}
    json.dump({"context": {"ceilings": peak}, "benchmarks": [row]}, open(path, "w"))
file("disturbed.json", 10e9)
file("quiet.json", 19e9)
END
expect 0 out 'The machine was disturbed; now ' doctor --after disturbed.json
grep -q '^What to do: ' out && pass || fail 'no remedy'
run doctor --after quiet.json || fail 'doctor --after of a quiet run'
[ ! -s out ] && pass || fail 'doctor speaks of a quiet run'
expect 2 err 'not a result file' doctor --after two.toml
expect 2 err 'absent.json' doctor --after absent.json
finish
