#!/usr/bin/env bash
# usage: guard_test.sh ATTNBENCH ATTNBENCH_UNRULY FAULTY_FOLDER [EMULATOR...]
# Rows are of the team that they name, or say what it was; and kernels that hang, exit or cannot start their threads end
# with a message that names them.
set -u
# shellcheck source-path=SCRIPTDIR source=program.sh
source "$(dirname "${BASH_SOURCE[0]}")/program.sh"
attnbench=$(realpath "$1") unruly=$(realpath "$2") faulty=$(realpath "$3")
shift 3
begin "$@"
small=h:2/q:16/d:8
fast=--benchmark_min_time=0.001

unruly() { ${emulator[@]+"${emulator[@]}"} "$unruly" "$@"; }
# of FILE VARIANT 'EXPRESSION': the expression over the variant's `row` is true.
of() {
  python3 - "$@" <<'END'
import json, sys
rows = [row for row in json.load(open(sys.argv[1]))["benchmarks"] if row["name"].split("/")[1] == sys.argv[2]]
sys.exit(0 if rows and all(eval(sys.argv[3], {"row": row}) for row in rows) else 1)
END
}

# A team that is not given is a failed row, wherever kernels are called.
while IFS=: read -r setting reason; do
  export "${setting?}"
  expect 1 err '' run --problem $small --variants flash --threads 1,2 $fast --benchmark_out=team.json
  if of team.json flash 'bool(row.get("error_occurred")) == row["name"].split("threads:")[1].startswith("2")' &&
    grep -qE "$reason" team.json; then pass; else fail "$setting: a failed row that says '$reason'"; fi
  expect 1 out "$reason" verify --problem $small --variants flash --threads 2
  expect 1 out "$reason" verify --problem h:2/q:16/d:8/layer:fused --variants flash --threads 2
  expect 1 err "FAILED .*$reason" tune --problem $small --variants flash --threads 2 --seconds-per-problem 0.001 --out t.toml
  expect 1 err "FAILED .*$reason" compare flash lazy_max --problem $small --threads 2
  expect 3 err "$reason" roofline --threads 2
  expect 0 out 'flash' run --problem $small --variants flash --threads 1 $fast
  unset "${setting%%=*}"
done <<'END'
OMP_THREAD_LIMIT=1:a team of 1 where 2 threads were asked for: OMP_THREAD_LIMIT=1 is set
OMP_DYNAMIC=true:a team of [12] .*: OMP_DYNAMIC=true is set
OMP_MAX_ACTIVE_LEVELS=0:a team of 1 where 2 threads were asked for: OMP_MAX_ACTIVE_LEVELS=0 is set
END
OMP_THREAD_LIMIT=1 expect 1 out 'a team of 1 where 2' verify --isolate --problem $small --variants flash --threads 2

# Threads that cannot be started: one message with the team and the limit, exit 3; nothing of libgomp's.
too_many() { (ulimit -v "$2" && run verify --problem $small --variants flash --threads "$1"); }
if [ ${#emulator[@]} -eq 0 ]; then
  expect_of 3 err 'cannot start a team of 2000 threads: thread [0-9]+ failed: .*ulimit -v 2000000 KiB' too_many 2000 2000000
  if [ "$(grep -c . err)" -eq 1 ]; then pass; else fail 'one message'; fi
  as_nobody=(prlimit --nproc=3 setpriv --reuid=65534 --clear-groups)
  if [ "$(id -u)" -eq 0 ] && "${as_nobody[@]}" test -x "$attnbench" 2>/dev/null; then
    expect_of 3 err 'cannot start .*ulimit -u 3' "${as_nobody[@]}" "$attnbench" verify --problem $small --variants flash --threads 8
    expect_of 3 err 'cannot start .*ulimit -u 3' "${as_nobody[@]}" "$attnbench" run --problem $small --variants flash --threads 8 $fast
  fi
  as_nobody_alone=(prlimit --nproc=1 "${as_nobody[@]:2}")
  if [ "$(id -u)" -eq 0 ] && "${as_nobody_alone[@]}" test -x "$attnbench" 2>/dev/null; then
    for arguments in '' '--isolate'; do
      # shellcheck disable=SC2086
      expect_of 3 err 'cannot start .*ulimit -u 1' "${as_nobody_alone[@]}" "$attnbench" verify --problem $small --variants naive $arguments
    done
  fi
fi

# An exit() of somebody else's, as libgomp's, is no success; it costs its case where cases have a worker.
exits() { unruly "$@" --problem h:1/q:8/d:4; }
for kernel in exits exits_at_once; do
  expect_of 1 out "^FAILED $kernel on " exits verify --variants $kernel,steady --threads 1
  if grep -q '  its worker ended with exit code 0' out && grep -q '^steady .* ok ' out; then pass; else fail "verify goes on after $kernel"; fi
  expect_of 3 err "ended by an exit\(\) that is not its own, in attention/$kernel/.*/h:1/.*" exits run --variants steady,$kernel $fast --benchmark_out=$kernel.json
  if grep -q -e --resume err; then pass; else fail "$kernel: how to go on"; fi
done
# It is tried once more; after that it has crashed.
expect_of 3 err 'the run before ended in attention/exits/.*, which is tried once more' exits run --variants steady,exits $fast --benchmark_out=exits.json --resume
expect_of 1 err '' exits run --variants steady,exits $fast --benchmark_out=exits.json --resume
if of exits.json exits 'row["error_message"] == "crashed"' && of exits.json steady 'row["flops"] > 0'; then pass; else fail 'resumed'; fi

# One that crashes already when it is calibrated, or on the small problems before the timing, costs its own rows.
for kernel in crashes_at_once crashes_on_small; do
  expect_of 1 err '' unruly run --problem h:1/q:8/d:4 --problem h:1/q:9/d:4 --variants $kernel,steady $fast --benchmark_out=crash.json
  if of crash.json $kernel 'row["error_message"].startswith("its worker crashed (SIGSEGV)")' && of crash.json steady 'row["flops"] > 0'
  then pass; else fail "run goes on after $kernel"; fi
  expect_of 1 out "^FAILED $kernel on .*, everywhere: 2 of 2$" unruly verify --problem h:1/q:9/d:4 --problem h:1/q:60/d:40 --variants $kernel,steady --threads 1
  if grep -q '  its worker crashed (SIGSEGV): it [a-z ]* address 0: lse is null where lse:0$' out && grep -q '^steady .* ok .* 2 cases' out; then pass; else fail "verify goes on after $kernel"; fi
  expect_of 1 err "FAILED attention/$kernel/.*its worker crashed" unruly tune --problem h:1/q:9/d:4 --variants $kernel,steady --threads 1 --seconds-per-problem 0.01 --out tuned.toml
  if grep -qE '^best += +.steady' tuned.toml; then pass; else fail "tune goes on after $kernel"; fi
done

# A crash says where it was, in terms of the call, and how to repeat it: in verify, in calibration, in the process of a run.
told() { # told KERNEL THREADS 'REGEX': AArch64 does not tell reading from writing
  expect_of 1 out "  its worker crashed \($3\$" unruly verify --problem b:2/h:3/q:64/d:8 --problem h:1/q:9/d:4 --variants "$1" --threads "$2" --verbose
}
told past_o 1 'SIGSEGV\): it (wrote|used) right past the end of o, row 63 of head 2 of batch 1'
told past_o 1 'SIGSEGV\): it (wrote|used) 3952 bytes past the end of o, row 8 of head 0'
told before_k 1 'SIGSEGV\): it (read|used) 8 bytes before the begin of k, row 0 of head 0'
told past_workspace 1 'SIGSEGV\): it (wrote|used) 4032 bytes past the end of its workspace'
told null_lse 1 'SIGSEGV\): it (wrote to|used) address 0xc: lse is null where lse:0'
told far_from_all 1 'SIGSEGV\): it (wrote to|used) address 0x100000, which is in no tensor'
told aborted 1 'SIGABRT\): it called abort\(\)'
told uncaught 1 "SIGABRT\): an exception that nobody caught: no 'plan' for this"
if [ ${#emulator[@]} -eq 0 ]; then
  for threads in 1 2; do told full_stack_in_a_team $threads 'SIGSEGV\): its stack is full: .*'; done
  if [ "$(uname -m)" = x86_64 ]; then
    told trap 1 'SIGILL\): a trap that the compiler put where no call may get, .*'
    told unknown_instruction 1 'SIGILL\): an instruction that this CPU does not have'
    told division 1 'SIGFPE\): an integer was divided by zero'
    told misaligned 1 'SIGSEGV\): it used an address that can be none, or a vector load or store that must be aligned .*'
  fi
fi
expect_of 1 out '  it wrote 4 bytes past the end of o, row 8 of head 0' unruly verify --problem h:1/q:9/d:4 --variants past_o_unseen --threads 1
unruly run --problem h:1/q:9/d:4 --variants null_lse $fast >out 2>err
if grep -qE 'lse is null where lse:0, when null_lse/[a-z0-9]+ was calibrated on b:1/h:4/[^ ]*$' out; then pass; else fail 'calibration says where it crashed'; fi
pasted=$(grep -o 'attnbench verify .*' out | head -n 1)
# shellcheck disable=SC2086
expect_of 1 out 'lse is null where lse:0' unruly ${pasted#attnbench }
# Where it is right on what is asked, too.
expect_of 1 out 'lse is null where lse:0, when crashes_when_calibrated/[a-z0-9]+ was calibrated on b:1/h:2/[^ ]*/q:192/' \
  unruly verify --problem h:1/q:60/d:40 --variants crashes_when_calibrated
for file in '' --benchmark_out=crashes.json; do
  expect_of 1 err 'crashed \(SIGSEGV\) in attention/crashes/.*: it (wrote to|used) address 0: lse is null where lse:0' \
    unruly run --problem h:1/q:8/d:4 --variants crashes $fast --seed 3 $file
  pasted=$(grep -o '^  attnbench verify .*--seed 3$' err)
  if grep -q -e --resume -e 'result file' err; then told=--benchmark_out=crashes.json; else told=''; fi
  if [ "$told" = "$file" ]; then pass; else fail "result files are told of where there are some: '$file'"; fi
  # shellcheck disable=SC2086
  expect_of 1 out 'lse is null where lse:0' unruly ${pasted#*attnbench }
done

# A kernel that hangs is named and ended, soon; the others are told of.
expect_of 1 out '^FAILED hangs on ' exits verify --variants steady,hangs --threads 1 --hang-seconds 1 --json hangs.json
if grep -qE '^steady .* ok .* 1 cases' out &&
  python3 -c 'import json; a, b = json.load(open("hangs.json")); assert b["passed"] and a["failure"].startswith("its worker hung: ") or a["passed"] and b["failure"].startswith("its worker hung: ")'
then pass; else fail 'verify goes on after a kernel that hung'; fi
expect_of 1 out 'its worker hung' exits verify --variants hangs_at_once --threads 1 --hang-seconds 1
expect_of 1 err 'hung: no answer for .* s in attention/hangs/' exits run --variants steady,hangs $fast --hang-seconds 1 --benchmark_out=hangs.json

# A team that grows once the checks are over is seen in the CPU time of the timed calls.
if [ ${#emulator[@]} -eq 0 ] && [ "$(nproc)" -ge 2 ]; then
  for _ in 1 2 3 4 5; do
    unruly run --problem h:1/q:8/k:2000/d:64 --variants doubles_team --benchmark_min_time=0.2 --benchmark_out=doubled.json >out 2>err
    if of doubled.json doubles_team '"suspect_threads" in row.get("marks", {})'; then break; fi
  done
  if of doubled.json doubles_team '"suspect_threads" in row.get("marks", {})'; then pass; else fail 'a team that doubles should be suspect'; fi
fi

# One that cannot prepare itself fails, and the others go on.
expect_of 1 out '^FAILED cannot_prepare on ' exits verify --variants cannot_prepare,steady --threads 1
if grep -q '  could not prepare itself: cannot_prepare/' out && grep -q '^steady .* ok ' out; then pass; else fail 'verify goes on'; fi
expect_of 1 err '' exits run --variants cannot_prepare,steady $fast --benchmark_out=prepare.json
if of prepare.json cannot_prepare 'row["error_message"].startswith("could not prepare itself")' &&
  of prepare.json steady 'row["flops"] > 0'; then pass; else fail 'run goes on'; fi

# The first signal says what is waited for, a second one ends at once.
signalled() { # signalled SIGNAL TIMES ARGUMENTS...: sent when the case is at work
  python3 - "$1" "$2" ${emulator[@]+"${emulator[@]}"} "$unruly" "${@:3}" <<'END'
import signal, subprocess, sys, time
process = subprocess.Popen(sys.argv[3:], stderr=subprocess.PIPE, text=True)
time.sleep(1.5)
for _ in range(int(sys.argv[2])):
    process.send_signal(getattr(signal, "SIG" + sys.argv[1]))
    time.sleep(0.3)
sys.stderr.write(process.stderr.read())
sys.exit(process.wait(timeout=60))
END
}
for signal in INT TERM; do
  expect_of 130 err '^attnbench: stopping after attention/slow/.*; again to end at once$' \
    signalled $signal 1 verify --problem h:1/q:8/d:4 --variants slow,steady --threads 1
  if [ ! -s out ]; then pass; else fail 'no case after the one that was waited for'; fi
  expect_of 130 err 'attention/hangs/.*again to end at once' \
    signalled $signal 2 verify --problem h:1/q:8/d:4 --variants hangs --threads 1 --hang-seconds 300
done

# CPU time tells a team of another size than the row's; right kernels are left alone.
if [ ${#emulator[@]} -eq 0 ] && [ "$(nproc)" -ge 2 ]; then
  suspect() { # suspect FAULT THREADS
    local name
    name=attention/faulty/$(run list --json --plugin "$faulty/$1.so"; python3 -c 'import json; print([r["isa"] for r in json.load(open("out")) if r["name"] == "faulty"][0])')/h:1/q:64/d:32/threads:$2
    printf 'prep %s\nmeasure %s 3\n' "$name" "$name" | "$attnbench" worker --plugin "$faulty/$1.so" >out 2>err
    python3 -c 'import json; print(json.loads(open("out").read().splitlines()[-1])["marks"].get("suspect_threads", "none"))' >marks
  }
  # Neighbours can hide it: a suspicion is held back rather than raised wrongly, so one of a few looks must show it.
  marked() { # marked 'REGEX' FAULT THREADS
    for _ in 1 2 3 4 5; do
      suspect "$2" "$3"
      grep -q none marks || break
    done
    if grep -qE "$1" marks; then pass; else fail "$2 with $3 threads should be marked '$1', is '$(cat marks)':"; fi
  }
  marked '^([12]\.[0-9] CPUs busy|threads of its own took .*) where 1 thread should be$' own_threads 1
  marked '^1\.[0-9] of 2 CPUs busy$' one_thread_of_two 2
  marked '^none$' one_thread_of_two 1
  # Small work, of which a second thread takes no part.
  isa=$(run list --json; python3 -c 'import json; print([r["isa"] for r in json.load(open("out")) if r["name"] == "flash" and r["runs_here"]][-1])')
  for case_name in "attention/flash/$isa/h:1/q:4/d:16/threads:2" "attention/flash/$isa/h:1/q:4/d:16/threads:1" \
    "attention/flash/$isa/h:4/q:256/d:64/threads:2" "attention/flash/$isa/h:4/q:256/d:64/threads:1"; do
    printf 'prep %s\nmeasure %s 3\n' "$case_name" "$case_name" | "$attnbench" worker >out 2>err
    if python3 -c 'import json; m = json.loads(open("out").read().splitlines()[-1]); assert m["ok"] and "suspect_threads" not in m["marks"], m'
    then pass; else fail "$case_name is no suspect:"; fi
  done
  # More threads than CPUs.
  case_name=attention/flash/$isa/$small/threads:2
  for cpus in 0:'2 threads on 1 CPU (affinity)' 0,1:none; do
    printf 'prep %s\nmeasure %s 3\n' "$case_name" "$case_name" | taskset -c "${cpus%%:*}" "$attnbench" worker >out 2>err
    if python3 - "${cpus#*:}" <<'END'
import json, sys
marks = json.loads(open("out").read().splitlines()[-1])["marks"]
sys.exit(0 if marks.get("oversubscribed", "none") == sys.argv[1] else 1)
END
    then pass; else fail "taskset -c $cpus"; fi
  done
fi

finish
