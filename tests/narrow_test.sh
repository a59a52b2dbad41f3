#!/usr/bin/env bash
# usage: narrow_test.sh CMAKE SOURCE CC CXX ATTNBENCH_NARROW BASELINE_ISA
# Builds with some of the variants and instruction sets: what CMake makes of the options, tools/narrow that chooses them,
# and a program that has nothing but naive, for the baseline.
set -u
# shellcheck source-path=SCRIPTDIR source=program.sh
source "$(dirname "${BASH_SOURCE[0]}")/program.sh"
cmake=$1 source=$2 cc=$3 cxx=$4 attnbench=$(realpath "$5") isa=$6
begin

# The options of CMake.
configure() { # configure CODE 'REGEX' OPTION...
  rm -rf built
  expect_of "$1" both "$2" with_both "$cmake" -S "$source" -B built -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" "${@:3}"
}
with_both() { "$@" 2>&1 | tr -s ' \n' ' ' | tee both; return "${PIPESTATUS[0]}"; }
configure 1 "ATTN_ISAS names 'mmx'; valid: all, or a list of .*$isa" -DATTN_ISAS="$isa;mmx"
configure 1 "ATTN_ISAS is empty; valid: all, or a list of .*$isa" -DATTN_ISAS=
configure 1 "ATTN_VARIANTS names 'flush'; valid: all, or a list of .*flash, flash_backward, .*" -DATTN_VARIANTS='flash;flush'
configure 1 "ATTN_VARIANTS is empty; valid: all, or a list of " -DATTN_VARIANTS=
configure 0 'Tests: left out of a narrow build' -DATTN_VARIANTS='naive;flash;naive' -DATTN_ISAS="$isa;$isa" -DATTN_PEERS=none
if python3 - "$isa" <<'PY'
import json, re, sys
commands = " ".join(entry["command"] for entry in json.load(open("built/compile_commands.json")))
kernels = set(re.findall(r"attn_kernels_(\w+\.dir/\w+)\.cpp\.o", commands))
assert kernels == {f"{sys.argv[1]}.dir/flash", f"{sys.argv[1]}.dir/naive"}, kernels
assert "attn_tests" not in commands and "attn_plugin_blas" not in commands
PY
then pass; else fail 'a narrow build compiles the chosen kernels for the chosen instruction sets, and no tests'; fi

# A file that is no variant is named, and left out; the program is still made of the others, and its build fails.
mkdir copy && cp -r "$source"/{CMakeLists.txt,src,variants,bench} copy/
sed 's/ATTN_VARIANT(naive/ATTN_VARIANT(naife/' "$source/variants/naive.cpp" >copy/variants/mine.cpp
said='variants/mine.cpp defines the variant naife, and must define mine, as the file is called: ATTN_VARIANT[(]mine, ...[)]'
whole=$source source=$folder/copy
configure 0 "$said, it is left out" -DATTN_VARIANTS='naive;mine' -DATTN_ISAS="$isa" -DATTN_PEERS=none
source=$whole
if grep -q 'naive.cpp' built/compile_commands.json && ! grep -q 'mine.cpp' built/compile_commands.json &&
  grep -qE "echo .*error: $said.* && .* -E false" built/build.ninja; then pass; else fail 'the others are built, and then an error'; fi

# What it has works, what it has not is absent.
expect 0 out '^naive ' list
if run list --json && python3 -c 'import json, sys; rows = [(r["name"], r["isa"]) for r in json.load(open("out"))]
assert rows == [("naive", sys.argv[1])], rows' "$isa"; then pass; else fail 'list --json should have one row'; fi
small=(--problem h:1/q:64/d:32 --benchmark_min_time=0.001)
expect 0 out "naive +$isa +ok" verify --problem h:1/q:64/d:32
expect 0 out "attention/naive/$isa/" run "${small[@]}" --benchmark_list_tests
expect 0 err 'naive' run "${small[@]}"
expect 0 out "attention/naive/$isa/" run "${small[@]}" --variants best --benchmark_list_tests
expect 2 err "'flash' matches no variant; valid: best, naive" run "${small[@]}" --variants flash
expect 2 err 'naive does not support: backward' run --problem h:1/q:64/d:32/pass:bwd
expect 2 err 'no variant can compute .*pass:bwd' run --problem h:1/q:64/d:32/pass:bwd --variants best
expect 5 out "1 case in " gate "$attnbench" "$attnbench" --problem h:1/q:64/d:32 --rounds 1

# chooses CODE FILE 'REGEX' OPTION...: tools/narrow, on a machine with these three.
chooses() { expect_of "$1" "$2" "$3" "$source/tools/narrow" --isas-here sse2,avx2,avx512 "${@:4}"; }
chooses 0 out '^-DATTN_VARIANTS=[a-z0-9_;]*flash;[a-z0-9_;]*split_kv[a-z0-9_;]*$'
chooses 0 out '^-DATTN_ISAS=avx2;avx512$' --rounds 3
chooses 0 out '^-DATTN_PEERS=none$'
chooses 0 out '^-DATTN_VARIANTS=flash$' --variants flash --problem h:1/q:8/d:4 --inconclusive pass
chooses 0 out '^-DATTN_ISAS=avx512$' --variants flash --problem h:1/q:8/d:4
chooses 0 out '^-DATTN_CBLAS=OFF$' --variants=flash --problem=h:1/q:8/d:4
chooses 0 out '^-DATTN_VARIANTS=flash;flash_backward;naive$' --variants 'flash.*,naive' --limit 1
chooses 0 out '^-DATTN_ISAS=sse2$' --isa sse2
chooses 0 out '^-DATTN_ISAS=sse2;avx2;avx512$' --isa all --problem h:1/q:8/d:4
chooses 0 out '^-DATTN_VARIANTS=all$' --problem h:1/q:8/d:4
chooses 0 out '^-DATTN_VARIANTS=all$' --variants best
chooses 0 out '^-DATTN_VARIANTS=all$' --variants '(?:flash)' # beyond what both languages of expressions agree on
chooses 0 out '^-DATTN_VARIANTS=all$' --variants naive --problem layer:fused/h:2/q:8/d:4
chooses 0 out '^-DATTN_CBLAS=ON$' --sweep layers
chooses 0 out '^-DATTN_VARIANTS=.*flash.*$' --problem h:1/q:8/d:4 --sweep gate --variants naive,flash
chooses 2 err "'flush' matches no variant; valid: best, .*naive" --variants flush
chooses 2 err "mmx does not run here; valid: native, all, sse2, avx2, avx512" --isa sse2,mmx
chooses 2 err "neither a file nor a name in bench/sweeps; valid names: .*quick" --sweep nonsense
cat >mine.toml <<'END'
isas = ["avx2", "neon64"]
variants = ["naive"]
[[problem]]
problem = "h:1/q:8/d:4"
[[problem]]
problem = "h:1/q:9/d:4"
variants = ["blocked"]
END
chooses 0 out '^-DATTN_VARIANTS=blocked;naive$' --sweep mine.toml
chooses 0 out '^-DATTN_ISAS=avx2$' --sweep mine.toml
printf '[[problem]]\naxis = ["layer=fused,single", "h=1"]\nproblem = "q:8/d:4"\n' >axes.toml
chooses 0 out '^-DATTN_VARIANTS=all$' --sweep axes.toml
printf 'variants = ["naive"]\n[[problem]]\naxis = ["q=8,16", "h=1", "d=4"]\n' >axes.toml
chooses 0 out '^-DATTN_VARIANTS=naive$' --sweep axes.toml
echo 'variants = [1]' >>mine.toml
chooses 2 err 'mine.toml: ' --sweep mine.toml
echo ']' >mine.toml
chooses 2 err 'mine.toml: ' --sweep mine.toml

# Another tree: a file for one instruction set only, variants that are there and not here, and the other way round.
mkdir -p tree/variants
cp "$source/variants/attn_add_variants.cmake" tree/variants
touch tree/variants/{flash.cpp,flash.avx512.cpp,wide.avx2.cpp,tiles.amx.cpp}
of_tree() { chooses "${@:1:3}" --problem h:1/q:8/d:4 --tree tree --beside "$source" "${@:4}"; }
of_tree 0 out '^-DATTN_ISAS=avx2$' --variants wide
of_tree 0 out '^-DATTN_ISAS=avx2;avx512$' --variants 'wide,flash'
of_tree 0 out '^-DATTN_VARIANTS=flash$' --variants 'naive,flash'
of_tree 3 err 'tree has no variant of these cases' --variants naive
of_tree 3 err 'tree has no variant of these cases' --variants tiles
of_tree 2 err "'flush' matches no variant; valid: .*naive.*wide" --variants flush

finish
