# How tools/gate gets its two programs; sourced by it, after lib.sh. It sets folder, isas, needs, seconds_per_file, base_tree,
# base_build and narrow_build.
# shellcheck shell=bash disable=SC2154

# narrow <tree> <other tree> <gate option>...: the CMake options of a build that has the kernels of the cases, and no others.
narrow() { "$root/tools/narrow" --isas-here "$isas" --tree "$1" --beside "$2" "${@:3}"; }

# configure <tree> <folder> <cmake option>...
configure() {
  local options
  mapfile -t options < <(launchers "$2")
  (cd "$1" && quietly cmake --preset "$preset" -B "$2" -DBUILD_TESTING=OFF "${options[@]}" "${@:3}") ||
    fail 3 "cannot configure $1"
}

# Of a copy of build.ninja: for the original, `ninja -n` would say no more than that CMake is to run again. machine.cpp is
# left out: it knows the revision, and ninja cannot know that this is still the same.
files_to_compile() {
  cp "$1/build.ninja" "$1/count.ninja"
  ninja -C "$1" -n -f count.ninja attnbench | grep -v '/machine\.cpp' | grep -c '\] Building' || true
  rm "$1/count.ninja"
}

# cached <folder> <variable>; compiler_of <folder>: with its version, as it was when the folder was configured.
cached() { sed -n "s/^$2:[^=]*=//p" "$1/CMakeCache.txt"; }
compiler_of() { cat "$1"/CMakeFiles/*/CMakeCXXCompiler.cmake | grep -E '^set\(CMAKE_CXX_COMPILER(_VERSION)? '; }

# Why the work tree's own build cannot be the candidate; nothing when it can.
own_build_lacks() {
  local setting name=${build#"$root"/}/
  [[ -f $build/build.ninja ]] || { echo "there is no $name"; return; }
  quietly env -u CMAKE_C_COMPILER_LAUNCHER -u CMAKE_CXX_COMPILER_LAUNCHER cmake "$build" || { echo "$name cannot be configured"; return; }
  for setting in CMAKE_BUILD_TYPE CMAKE_CXX_FLAGS{,_RELEASE} CMAKE_EXE_LINKER_FLAGS ATTN_{SANITIZE,SLOWDOWN,OBJECT_ORDER}; do
    if [[ $(cached "$build" $setting) != "$(cached "$base_build" $setting)" ]]; then
      echo "$name has another $setting"
      return
    fi
  done
  [[ $(compiler_of "$build") == "$(compiler_of "$base_build")" ]] || { echo "$name has another compiler"; return; }
  [[ $(cached "$build" ATTN_VARIANTS)$(cached "$build" ATTN_ISAS) == allall ]] || echo "$name is narrow itself"
}

# Sets candidate_build to the folder with less to compile, and why_not to what speaks against the work tree's own build.
# A few files, such as a kernel for all instruction sets, are not worth another folder.
choose_candidate() {
  local files few=6
  why_not=$(own_build_lacks)
  if [[ -z $why_not ]]; then
    candidate_build=$build files=$(files_to_compile "$build")
    if ((files <= few)); then return; fi
  fi
  configure "$root" "$narrow_build" "${needs[@]}"
  if [[ -z $why_not ]]; then
    if ((files <= $(files_to_compile "$narrow_build"))); then return; fi
    why_not="${build#"$root"/}/ has $files"
  fi
  candidate_build=$narrow_build
}

# forecast <folder>: what building will take.
forecast() {
  local files name=${1#"$root"/} most=''
  files=$(files_to_compile "$1")
  if ((files == 0)); then
    echo "$name/ is current"
    return
  fi
  if command -v ccache > /dev/null; then most=', less what ccache has'; fi
  awk -v files="$files" -v each="$seconds_per_file" -v name="$name" -v most="$most" 'BEGIN {
    seconds = files * each
    time = seconds < 90 ? sprintf("%d s", seconds + 1) : sprintf("%.0f min", seconds / 60)
    printf "%d files to compile in %s/, about %s%s\n", files, name, time, most }'
}

# progress <what>: reads what ninja says, tells how many steps are done and when all will be.
progress() {
  local line done total begin=$SECONDS told=$SECONDS
  while IFS= read -r line; do
    [[ $line =~ ^\[([1-9][0-9]*)/([0-9]+)\] ]] || continue
    done=${BASH_REMATCH[1]} total=${BASH_REMATCH[2]}
    line="build: $1, $done of $total steps, about $(((SECONDS - begin) * (total - done) / done)) s left"
    if [[ -t 1 ]]; then
      printf '\r\e[K%s' "$line"
    elif ((SECONDS - told >= 10)); then
      told=$SECONDS
      printf '%s\n' "$line"
    fi
  done
  if [[ -t 1 ]]; then printf '\r\e[K'; fi
}

# build <what> <tree> <folder>: leaves the program in the gate's folder, where it stays as it is though somebody builds
# again. A failure is the environment's, not a verdict.
build() {
  local begin=$SECONDS log=$folder/build-$1.log
  if ! CCACHE_BASEDIR=$2 NINJA_STATUS='[%f/%t] ' cmake --build "$3" --target attnbench 2>&1 | tee "$log" | progress "$1"; then
    grep -A 40 -m 1 '^FAILED' "$log" >&2 || tail -n 40 "$log" >&2
    fail 3 "cannot build the $1 in $3; the log is $log"
  fi
  cp "$3/bench/attnbench" "$folder/attnbench-$1"
  step "build: $1, $((SECONDS - begin)) s"
}

# The objects of the kernels that are in a build's program, and none that an earlier one left there.
kernels_of() { ninja -C "$1" -t inputs attnbench | grep -o 'variants/CMakeFiles/attn_kernels_.*\.o$' | sort -u; }

# same_code <object>...: variant/isa of those with the same machine code in both: what is red there is not the code's doing.
same_code() {
  local object isa stem scratch
  scratch=$(mktemp -d)
  for object in "$@"; do
    isa=${object%.dir/*} stem=${object##*/}
    isa=${isa##*attn_kernels_} stem=${stem%%.*}
    strip --strip-unneeded -o "$scratch/candidate" "$candidate_build/$object"
    strip --strip-unneeded -o "$scratch/base" "$base_build/$object"
    if cmp -s "$scratch/candidate" "$scratch/base"; then printf '%s/%s\n' "$stem" "$isa"; fi
  done
  rm -rf "$scratch"
}
