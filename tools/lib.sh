# Shared by tools/test, tools/bench and .ci/run; sourced, never run.
# The caller keeps its working directory: file names that a user gives are relative to it.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# ATTN_PRESET chooses a preset of CMakePresets.json for a whole command: `ATTN_PRESET=asan tools/test`.
preset=${ATTN_PRESET:-release}
case $preset in
  release) build=$root/build ;;
  *) build=$root/build-$preset ;;
esac

step() { printf '== %s\n' "$*"; }

# Runs a command silently; shows what it said only if it failed. Configuring says nothing of interest otherwise.
quietly() {
  local output status=0
  output=$("$@" 2>&1) || status=$?
  ((status == 0)) || printf '%s\n' "$output" >&2
  return "$status"
}

# Builds share what ccache has where their folders are one level below the sources: then all paths relative to the tree, and
# to the folder, are the same in every revision and clone.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$root} CCACHE_NOHASHDIR=1

# launchers <folder>: CMake's options for ccache where it is there. Not for a folder that is configured already: another
# launcher would compile all of it again.
launchers() {
  if command -v ccache > /dev/null && [[ ! -e $1/CMakeCache.txt ]]; then
    printf '%s\n' -DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache
  fi
}

# Presets are read from the current folder only.
at_root() { (cd "$root" && "$@"); }

# What the preset builds with.
install_missing() {
  local setup_options=(--quiet)
  case $preset in
    clang | tsan | aarch64) setup_options+=(--ci) ;;
  esac
  step "setup: installing what is missing (tools/setup)"
  "$root/tools/setup" "${setup_options[@]}"
}

# install_and_build <target>...: from a bare machine to the targets built; `all` includes the tests.
install_and_build() {
  install_missing
  local options
  step "configure: preset $preset into ${build#"$root"/}/"
  mapfile -t options < <(launchers "$build")
  at_root quietly cmake --preset "$preset" "${options[@]}"
  step "build: $*"
  cmake --build "$build" --target "$@"
}
