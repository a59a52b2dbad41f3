#!/usr/bin/env bash
# usage: peer_test.sh ATTNBENCH PEER PLUGIN [EMULATOR...]
# A peer computes what it declares, in each dtype, for 1 and 2 threads, and refuses the rest with a reason.
set -u
attnbench=$1 peer=$2 plugin=$3
shift 3
emulator=("$@")
[ $# -eq 0 ] || export ATTN_LAUNCHER="$*"
out=$(mktemp)
trap 'rm -f "$out"' EXIT
failures=0 passes=0 variant=$peer

# expect CODE 'REGEX' COMMAND ARGUMENTS...: attnbench must end so with the peer loaded, and its output match.
expect() {
  local want=$1 pattern=$2 got
  shift 2
  ${emulator[@]+"${emulator[@]}"} "$attnbench" "$@" --plugin "$plugin" --variants "^$variant\$" >"$out" 2>&1
  got=$?
  if [ "$got" -eq "$want" ] && grep -qE -- "$pattern" "$out"; then
    passes=$((passes + 1))
  else
    failures=$((failures + 1))
    echo "FAILED: attnbench $*: exit $got (want $want), should match '$pattern':"
    cat "$out"
  fi
}
computes() { expect 0 "^$variant .* ok +2 cases" verify --problem "$1"; }
refuses() { expect 2 "$2" verify --problem "$1"; }

expect 0 "^$peer .* ok " verify
for problem in h:3/q:64/d:64 b:2/h:4/q:130/d:64/layout:bshd b:2/h:2/q:100/d:32/layout:packed h:1/q:1/k:777/d:64 \
    h:8/hkv:2/q:1/k:600/d:128 h:6/hkv:2/q:70/k:33/d:40 h:4/hkv:1/q:70/k:133/d:64/mask:causal/layout:bshd \
    h:2/q:65/d:64/mask:causal h:2/q:3/k:900/d:128/mask:causal h:1/q:1/k:50/d:16/mask:causal; do
  computes "$problem"
done

# What only some of them can.
empty_rows=h:3/hkv:1/q:130/k:100/d:64/mask:causal
windows=(h:2/q:90/k:120/d:64/window:20,9 h:4/hkv:2/q:1/k:600/d:64/window:100,0 h:2/q:60/k:40/d:32/window:5,0)
value_dim=h:2/hkv:1/q:50/k:77/d:48/dv:24
huge_matrix=h:1/q:2147483647/k:536870912/d:1
lse=h:2/hkv:1/q:50/k:77/d:48/mask:causal/lse:1
case $peer in
  blas | eigen)
    for problem in "$empty_rows" "${windows[@]}" "$value_dim" "$lse"; do computes "$problem"; done
    refuses "$huge_matrix" 'its score matrix exceeds 64-bit sizes'
    ;;
  onednn)
    for problem in "$empty_rows" "${windows[@]}" "$value_dim"; do computes "$problem"; done
    refuses "$huge_matrix" 'its score matrix exceeds 64-bit sizes'
    refuses "$lse" "$peer does not support: lse"
    ;;
  torch | ggml)
    for problem in "$empty_rows" "${windows[@]}" "$value_dim"; do computes "$problem"; done
    refuses "$lse" "$peer does not support: lse"
    ;;
  *) failures=1; echo "FAILED: nothing is known of $peer" ;;
esac
case $peer in
  blas) refuses h:1/q:4294967296/k:1/d:1 'CBLAS takes dimensions of 32 bits' ;;
  ggml) refuses h:1/q:4294967296/k:1/d:1 'ggml counts rows of all heads in 32 bits' ;;
esac

# 16 bits: what the library has no arithmetic for is refused, not converted.
shapes=(h:3/q:64/d:64 h:4/hkv:2/q:33/k:70/d:40/mask:causal/layout:bshd h:2/q:65/d:37/mask:causal h:8/hkv:2/q:1/k:3000/d:128
  "$empty_rows" "${windows[@]}")
listed() { ${emulator[@]+"${emulator[@]}"} "$attnbench" list --plugin "$plugin"; }
computes_all() { local shape; for shape in "${shapes[@]}"; do computes "$shape/dtype:$1"; done; }
for dtype in bf16 f16; do
  case $peer in
    blas | eigen) refuses "${shapes[0]}/dtype:$dtype" "$peer does not support: $dtype" ;;
    torch)
      computes_all $dtype
      refuses "$value_dim/dtype:$dtype" 'takes its kernel math for this shape, which computes 16 bits in f32'
      ;;
    ggml)
      variant=ggml
      [ $dtype = bf16 ] || variant=ggml_f16
      expect 0 "^$variant .* ok " verify
      computes_all $dtype
      computes "$value_dim/dtype:$dtype"
      ;;
    onednn)
      if [ $dtype = bf16 ] && listed | grep -A 2 '^onednn ' | grep -q 'isas: .*avx512'; then
        computes_all $dtype
        computes "$value_dim/dtype:$dtype"
      else
        refuses "${shapes[0]}/dtype:$dtype" "oneDNN [0-9.]+ has no matmul of $dtype on this CPU: could not create"
      fi
      ;;
  esac
done

echo "$passes passed, $failures failed"
((failures == 0 && passes > 0))
