#!/usr/bin/env bash
# usage: bindings_test.sh ATTNBENCH PLUGIN_WORKER FOLDER TORCH|'' BLAS|''
# A plugin is measured on its own libraries or not at all. FOLDER has plugin.so on libown_gemm.so, and libforeign_gemm.so;
# delivered/ has a plugin on the libdelivered.so beside it, elsewhere/ the same library. TORCH and BLAS are peers' plugins.
set -u
# shellcheck source-path=SCRIPTDIR source=program.sh
source "$(dirname "${BASH_SOURCE[0]}")/program.sh"
attnbench=$(realpath "$1") worker=$(realpath "$2") plugins=$(realpath "$3") torch=$4 blas=$5
begin

# Nothing in the worker could be taken for a library of a plugin's.
LD_TRACE_LOADED_OBJECTS=1 "$worker" >out 2>err
if grep -q libc out && ! grep -Ei 'gomp|iomp|libomp|blas|lapack|mkl|torch|dnnl' out; then pass; else fail "its worker has more"; fi
# Nor does attnbench start a BLAS for what needs none.
LD_TRACE_LOADED_OBJECTS=1 "$attnbench" >out 2>err
if grep -q libc out && ! grep -Ei 'blas|lapack|mkl' out; then pass; else fail "attnbench loads a BLAS"; fi

one=(--problem h:1/q:1/k:1/d:8 --benchmark_min_time=0.001)
bound=(run --plugin "$plugins/plugin.so" --variants bound "${one[@]}" --benchmark_out=row.json)
# row 'REGEX': the only row of row.json, as JSON.
row() { python3 -c 'import json; rows = json.load(open("row.json"))["benchmarks"]; assert len(rows) == 1; print(json.dumps(rows[0]))' | grep -qE -- "$1"; }

expect 0 out bound "${bound[@]}"
# tells 'REGEX' PLUGIN CASE [VARIABLE=VALUE]: what the worker says of its libraries in a measurement.
tells() {
  local pattern=$1 plugin=$2 case=$3
  shift 3
  printf 'measure %s 1\n' "$case" | env "$@" "$worker" --plugin "$plugin" >out 2>err
  if python3 -c 'import json; print([json.loads(line) for line in open("out")][1]["libraries"])' 2>>err | grep -qE -- "$pattern"
  then pass; else fail "$plugin should be on $pattern"; fi
}
isa=$("$attnbench" list --json --plugin "$plugins/plugin.so" |
  python3 -c 'import json, sys; print(next(r["isa"] for r in json.load(sys.stdin) if r["name"] == "bound"))')
single=attention/bound/$isa/h:1/q:1/k:1/d:8/threads:1
tells 'BLAS: .*libown_gemm.so; OpenMP: none$' "$plugins/plugin.so" "$single"

# Ceilings beside its calls are measured by a team of its runtime, or of threads that end with the work where it has none:
# after it there is no thread more than its own.
# keeps THREADS PLUGIN VARIANT PROBLEM
keeps() {
  python3 - "$worker" "$@" >out 2>err <<'END'
import json, os, subprocess, sys
worker, threads, plugin, variant, problem = sys.argv[1:]
process = subprocess.Popen([worker, "--plugin", plugin], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
isa = json.loads(process.stdout.readline())["plugins"][0]["variants"][0]["isa"]
process.stdin.write(f"measure attention/{variant}/{isa}/{problem}/threads:2 100\n")
process.stdin.flush()
answer = json.loads(process.stdout.readline())
assert answer["verdict"]["passed"] and answer["pct_fma_peak"] > 0, answer
tasks = len(os.listdir(f"/proc/{process.pid}/task"))
assert tasks == int(threads), f"{tasks} threads"
process.stdin.close()
END
  if [ $? -eq 0 ]; then pass; else fail "$2 should have left $1 threads"; fi
}
keeps 1 "$plugins/plugin.so" bound h:1/q:1/k:1/d:8
# OpenBLAS starts threads when it is loaded, which are its own affair; here it has none.
if [ -n "$blas" ]; then OPENBLAS_NUM_THREADS=1 keeps 2 "$blas" blas h:2/q:64/d:64; fi

# Something that was there first stands in: the row fails, and says for what. What it computes is wrong besides; the
# reason must be the cause.
export LD_PRELOAD=$plugins/libforeign_gemm.so
reason="sgemm_ of .*libown_gemm.so is bound to .*libforeign_gemm.so, not to .*libown_gemm.so"
expect 1 out "$reason" "${bound[@]}"
row "\"error_message\": \"(on [^ ]*: )?$reason" && pass || fail 'the row should say so'
expect 1 out "$reason" verify --plugin "$plugins/plugin.so" --variants bound "${one[@]:0:2}"
# The built-in worker with a plugin beside, as `compare` has it, refuses no less.
printf 'prep %s\n' "$single" | "$attnbench" worker --plugin "$plugins/plugin.so" >out 2>err
grep -qE "$reason" out && pass || fail 'attnbench worker --plugin should refuse it'
unset LD_PRELOAD

# A library that was delivered beside its caller is the one meant, though the process has one of that name already.
tells 'BLAS: .*/delivered/libdelivered.so; OpenMP: none$' "$plugins/delivered/plugin.so" "$single"
LD_PRELOAD=$plugins/elsewhere/libdelivered.so expect 1 out \
  'sgemm_ of .*plugin.so is bound to .*/elsewhere/libdelivered.so, not to .*/delivered/libdelivered.so' \
  verify --plugin "$plugins/delivered/plugin.so" --variants bound "${one[@]:0:2}"

# Real ones: PyTorch with a BLAS that was there before it, and one whose own dependency is what was there.
preload=$(ldconfig -p | sed -n 's/.*libopenblas\.so\.0 .*=> //p' | head -n 1)
if [ -n "$torch" ]; then
  tells 'BLAS: .*libtorch_cpu.so; OpenMP: .*torch.*gomp[^()]*$' "$torch" "$(
    "$attnbench" list --json --plugin "$torch" |
      python3 -c 'import json, sys; print("attention/torch/%s/h:2/q:64/d:64/threads:2" % next(r["isa"] for r in json.load(sys.stdin) if r["name"] == "torch"))')"
  if [ -n "$preload" ]; then
    LD_PRELOAD=$preload expect 1 out 'sgemm_ of .*libtorch_cpu.so is bound to .*libopenblas.*, not to .*libtorch_cpu.so' \
      verify --plugin "$torch" --variants '^torch$' --problem h:2/q:64/d:64
  fi
fi
if [ -n "$blas" ] && [ -n "$preload" ] && ldd "$blas" | grep -q libopenblas.so.0; then
  LD_PRELOAD=$preload expect 0 out '^blas .* ok ' verify --plugin "$blas" --variants '^blas$' --problem h:2/q:64/d:64
fi

finish
