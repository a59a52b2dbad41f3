#!/usr/bin/env bash
# usage: gate_builds_test.sh SOURCE
# Which builds tools/gate makes, and which it takes as they are: in a small project of the same shape, whose attnbench
# repeats what it is told.
set -u
# shellcheck source-path=SCRIPTDIR source=program.sh
source "$(dirname "${BASH_SOURCE[0]}")/program.sh"
source=$1
begin
unset ATTN_PRESET CXXFLAGS GITHUB_ACTIONS
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t

mkdir -p project/{tools,src,bench/sweeps,variants}
cp "$source"/tools/{gate,gate_builds.sh,lib.sh,narrow,isas_here} project/tools
cp "$source"/src/{isa.{cpp,hpp},attn_plugin.h} project/src
cp "$source"/variants/attn_add_variants.cmake project/variants
cp "$source"/{CMakePresets.json,.gitignore} project
cd project || exit 1
printf '#!/bin/sh\n' >tools/setup
chmod +x tools/setup
cat >CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.25)
project(small C CXX)
include(variants/attn_add_variants.cmake)
option(ATTN_CBLAS "" ON)
file(GLOB files CONFIGURE_DEPENDS variants/*.cpp)
if(EXISTS ${CMAKE_SOURCE_DIR}/variants/CMakeLists.txt)
  add_subdirectory(variants)
endif()
add_executable(attnbench bench/main.cpp)
set_target_properties(attnbench PROPERTIES RUNTIME_OUTPUT_DIRECTORY bench)
END
cat >narrow.cmake <<'END'
set(ATTN_VARIANTS all CACHE STRING "")
attn_choose(ATTN_VARIANTS blocked flash lazy_max naive register_tile split_kv vectorized)
list(TRANSFORM ATTN_VARIANTS APPEND .cpp OUTPUT_VARIABLE files)
foreach(isa IN LISTS ATTN_ISAS)
  add_library(attn_kernels_${isa} OBJECT ${files})
  target_compile_definitions(attn_kernels_${isa} PRIVATE ISA=${isa})
  list(APPEND objects $<TARGET_OBJECTS:attn_kernels_${isa}>)
endforeach()
add_library(attn_kernels STATIC ${objects})
END
cat >bench/main.cpp <<'END'
#include <cstdio>
int main(int count, char** words) {
  for (int i = 1; i < count; ++i) std::printf("[%s]", words[i]);
  std::puts("");
}
END
echo 'int value = 1;' >variants/shared.h
for stem in blocked flash lazy_max naive register_tile split_kv vectorized; do
  printf '#include "shared.h"\n#define JOIN(a, b) a##b\n#define NAME(isa) JOIN(isa, _%s)\nint NAME(ISA)() { return value; }\n' $stem >variants/$stem.cpp
  sed -i '1s/.*/namespace {\n&\n}/' variants/$stem.cpp
done
printf 'variants = ["flash", "naive"]\n[[problem]]\nproblem = "h:1/q:8/d:4"\n' >bench/sweeps/gate.toml
sed -e '1,/^set(ATTN_V/{/^set(ATTN_V/d}' -e '/^attn_choose/d' -e 's/^list(TRANS.*/file(GLOB files *.cpp)/' narrow.cmake >variants/CMakeLists.txt
printf 'target_link_libraries(attnbench attn_kernels)\n' >>CMakeLists.txt
git init -q -b main . && git add -A && git commit -qm 'before narrow builds'
mv narrow.cmake variants/CMakeLists.txt
git add -A && git commit -qm 'narrow builds'

# gates CODE 'REGEX' [REV] OPTION...; then also REGEX: of the same run.
gates() { expect_of "$1" out "$2" with_both tools/gate "${@:3}"; }
with_both() { "$@" 2>&1; }
also() { if grep -qE -- "$1" out; then pass; else fail "should say '$1'"; fi; }
never() { if grep -qE -- "$1" out; then fail "should not say '$1'"; else pass; fi; }
cached() { sed -n "s/^$2:[^=]*=//p" "$1/CMakeCache.txt"; }
base=build/gate/base-tree/build
flash=(HEAD --variants flash --problem h:1/q:8/d:4)

# Bad input, before anything is built.
gates 2 "'flush' matches no variant" HEAD --variants flush
gates 2 'no revision nonsense' nonsense
never 'to compile'
if [ -e $base ] || [ -e build-gate ]; then fail 'bad input should configure nothing'; else pass; fi

# Nothing is built: both sides narrow, in folders that share what ccache has.
gates 0 'base, .* narrow builds: 2 files to compile in build/gate/base-tree/build/, about' "${flash[@]}" --rounds 3
also 'candidate, the work tree: 2 files to compile in build-gate/, about .* \(there is no build/\)'
also "\[gate\]\['.*/build/gate/attnbench-base'\]\['.*/build/gate/attnbench-candidate'\].*\[--variants\]\[flash\].*\[--rounds\]\[3\]"
also '1 of 1 kernels have the same machine code'
if [ "$(cached $base ATTN_VARIANTS) $(cached build-gate ATTN_VARIANTS) $(cached $base ATTN_CBLAS)" = 'flash flash OFF' ]; then pass; else fail 'both should be narrow'; fi
gates 0 'base, .*: build/gate/base-tree/build/ is current' "${flash[@]}"
also 'candidate, the work tree: build-gate/ is current'
gates 0 'configure: ATTN_VARIANTS=flash;naive ' HEAD

# A revision before the options.
gates 0 'base, .* files to compile in .* \(older than narrow builds: all of its kernels\)' HEAD^ "${flash[@]:1}"
also '1 of 1 kernels'

# The work tree's own build.
cmake --preset release >log 2>&1 && cmake --build build >log || { cat log; exit 1; }
gates 0 'candidate, the work tree: build/ is current' "${flash[@]}"
if [ "$(cached $base ATTN_CBLAS)" = ON ]; then pass; else fail 'both sides should have OpenBLAS, or none'; fi
if cmp -s build/bench/attnbench build/gate/attnbench-candidate; then pass; else fail 'its program should be the candidate'; fi
echo 'int more;' >>bench/main.cpp
echo 'int more;' >>variants/flash.cpp
gates 0 'candidate, the work tree: [2-6] files to compile in build/, about' "${flash[@]}"
if cmp -s build/bench/attnbench build/gate/attnbench-candidate; then pass; else fail 'the work tree should be built as it is'; fi
also '0 of 1 kernels have the same machine code'
echo 'int shared;' >>variants/shared.h
gates 0 'candidate, the work tree: .* in build-gate/, about .* \(build/ has ([6-9]|[1-9][0-9])\)' "${flash[@]}"

# Builds that cannot stand beside the base.
lacks() { # lacks 'REGEX' CMAKE-OPTION...
  cmake build "${@:2}" >log 2>&1
  gates 0 "candidate, the work tree: .*build-gate/.* \($1\)" "${flash[@]}"
}
lacks 'build/ has another CMAKE_CXX_FLAGS' -DCMAKE_CXX_FLAGS=-fno-plt
lacks 'build/ has another CMAKE_BUILD_TYPE' -DCMAKE_CXX_FLAGS= -DCMAKE_BUILD_TYPE=Debug
lacks 'build/ has another ATTN_SLOWDOWN' -DCMAKE_BUILD_TYPE=Release -DATTN_SLOWDOWN=ON
lacks 'build/ is narrow itself' -DATTN_SLOWDOWN= -DATTN_VARIANTS=naive
sed -i 's/\(CMAKE_CXX_COMPILER_VERSION "\)[^"]*/\11.2.3/' build/CMakeFiles/*/CMakeCXXCompiler.cmake
lacks 'build/ has another compiler' -DATTN_VARIANTS=all

# What cannot be compared or built.
cp variants/flash.cpp variants/mine.cpp
gates 3 'has no variant of these cases' HEAD --variants mine
echo nonsense >>variants/flash.cpp
gates 3 'cannot build the candidate' "${flash[@]}"
also "flash.cpp.*error"

finish
