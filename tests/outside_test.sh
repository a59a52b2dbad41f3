#!/usr/bin/env bash
# usage: outside_test.sh CMAKE BUILD SOURCE CC CXX BASELINE_ISA
# The installed package, as somebody else's project meets it: BUILD is installed into a prefix that is then moved, the
# project of tests/outside is configured and built outside the checkout, its plugins and its program are run.
set -u
# shellcheck source-path=SCRIPTDIR source=program.sh
source "$(dirname "${BASH_SOURCE[0]}")/program.sh"
cmake=$1 build=$2 source=$3 cc=$4 cxx=$5 baseline_isa=$6
begin
attnbench=$folder/moved/bin/attnbench

must() { "$@" >log 2>&1 || { echo "FAILED: $*:"; cat log; exit 1; }; }

must "$cmake" --install "$build" --prefix "$folder/prefix"
mv prefix moved
must cp -r "$source/tests/outside" .
sed -n '/^## As a library/,/^## /{/^```cpp/,/^```$/p}' "$source/README.md" | sed '/^```/d' >outside/from_readme.cpp
[ "$(wc -l <outside/from_readme.cpp)" = 6 ] || fail "six lines of the README"
must cp "$source/variants/external/plain_c.c" "$source/tests/plugins/faulty.c" outside/plugin_in_c
configure=("$cmake" -DCMAKE_PREFIX_PATH="$folder/moved" -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER="$cc"
  -DCMAKE_CXX_COMPILER="$cxx" -DBASELINE_ISA="$baseline_isa" -G Ninja)
must "${configure[@]}" -S outside -B built
must "$cmake" --build built
# Nothing of the checkout is in the package.
if grep -rlF -e "$source" -e "$build" moved/lib/cmake; then fail "paths of the checkout"; fi

# The program finds its sweeps beside itself, and knows that it is in no checkout.
expect_of 0 out 'cases, .* predicted' "$attnbench" run --sweep quick --dry-run --variants naive
expect_of 2 err "neither a file nor a name in $folder/moved/share/attnbench/sweeps; valid names: .*quick" \
  "$attnbench" run --sweep absent
expect_of 2 err '--record: results/ belongs to a checkout, and this program is installed' \
  "$attnbench" run --problem h:1/q:8/d:4 --record

# The library.
expect_of 0 out 'attention is right; threads = 0: ' built/program

if built/from_readme >out 2>err; then pass; else fail from_readme; fi
# As a shared library: a row that sees equal scores is the mean of v.
python3 - <<'END_OF_PYTHON' || fail binding
import ctypes
binding = ctypes.CDLL("built/libbinding.so")
zeros, v, o = (ctypes.c_float * 8)(), (ctypes.c_float * 8)(*range(8)), (ctypes.c_float * 8)()
assert binding.attend(zeros, zeros, v, o, ctypes.c_int64(4), ctypes.c_int64(2)) == 0
assert [round(x, 5) for x in o] == [3, 4] * 4, list(o)
END_OF_PYTHON
# By the project's own doing, not by what compilers of this distribution do anyway.
python3 - "$build/compile_commands.json" <<'END_OF_PYTHON' || fail "-fPIC"
import json
import re
import sys
installed = re.compile(r"/(attn_core|attn_layers|attn_kernels(_\w+)?)\.dir/")
commands = [entry["command"] for entry in json.load(open(sys.argv[1])) if installed.search(entry["command"])]
assert len(commands) > 20, len(commands)
for command in commands:
    assert " -fPIC " in command, command
END_OF_PYTHON

# Plugins: good ones are listed, verified and timed beside the built-in variants.
good=(--plugin built/paired_queries.so --plugin built/plugin_in_c/plain_c.so)
expect_of 0 out 'paired_queries +two queries' "$attnbench" list "${good[@]}"
expect_of 0 out 'plain_c .* ok ' "$attnbench" verify "${good[@]}" --variants 'paired_queries,plain_c'
expect_of 0 out "paired_queries +$baseline_isa +ok" "$attnbench" verify "${good[@]}" --variants paired_queries --isa all
expect_of 0 err 'naive.*' "$attnbench" run "${good[@]}" --problem h:4/hkv:2/q:33/k:40/d:32 --variants \
  'naive,paired_queries,plain_c' --benchmark_min_time=0.001 --benchmark_out=rows.json
python3 - <<'END_OF_PYTHON' || fail rows.json
import json
rows = json.load(open("rows.json"))["benchmarks"]
assert {row["name"].split("/")[1] for row in rows} == {"naive", "paired_queries", "plain_c"}, rows
turns = [row for row in rows if row["run_type"] == "iteration"]
assert all(row["flops"] > 0 and row["max_scaled_err"] <= row["tolerance"] for row in turns), turns
END_OF_PYTHON
expect_of 0 out 'needs d and dv that are multiples of 16' \
  "$attnbench" verify "${good[@]}" --problem h:1/q:8/d:20 --variants 'naive,paired_queries'

# Bad ones are refused, or cost their row.
bad() { # bad CODE FILE 'REGEX' FAULT
  expect_of "$1" "$2" "$3" "$attnbench" run --plugin "built/plugin_in_c/$4.so" --problem h:1/q:8/d:4 --variants 'naive,faulty' \
    --hang-seconds 1 --benchmark_min_time=0.001
}
bad 2 err 'wrong_abi.so: speaks version' wrong_abi
bad 2 err 'no_entries.so: its table has no entries' no_entries
bad 1 out 'its worker crashed \(SIGSEGV\)' crashes
bad 1 out 'its worker hung' hangs
bad 1 out 'o\[b=0.* = -?nan, expected' writes_nan
bad 1 out 'it wrote [0-9]+ bytes past the end of o|its worker crashed' writes_past_o

# A project in C alone, as a package of which only the headers can be used.
must "${configure[@]}" -S outside/plugin_in_c -B built_c
must "$cmake" --build built_c --target plain_c
expect_of 0 out 'plain_c .* ok ' "$attnbench" verify --plugin built_c/plain_c.so --variants plain_c --problem h:1/q:8/d:4

# Another version is not taken for this one.
sed 's/attnbench 0.1/attnbench 0.2/' outside/CMakeLists.txt >other.txt && mv other.txt outside/CMakeLists.txt
expect_of 1 err 'compatible with requested version "0.2"' "${configure[@]}" -S outside -B built_other

finish
