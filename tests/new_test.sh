#!/usr/bin/env bash
# usage: new_test.sh ATTNBENCH SOURCE_DIR CXX
# attnbench new: the file that it writes is right and compiles, the commands that it prints are those of the build, and bad
# input of every kind changes nothing.
set -u
# shellcheck source-path=SCRIPTDIR source=program.sh
source "$(dirname "${BASH_SOURCE[0]}")/program.sh"
program=$(realpath "$1") source=$(realpath "$2") cxx=$3
begin
# A source tree with a build of its own, from where the program was built in.
mkdir -p "tree of mine/build/bench" "tree of mine/variants"
tree="$folder/tree of mine"
cp "$source"/variants/*.cpp "$source"/variants/*.cmake "$tree/variants"
ln -s "$source/src" "$tree/src"
ln -s "$source/variants/detail" "$tree/variants/detail"
cp "$program" "$tree/build/bench/attnbench"
printf '# a cache\nCMAKE_HOME_DIRECTORY:INTERNAL=%s\n' "$tree" >"$tree/build/CMakeCache.txt"
attnbench="$tree/build/bench/attnbench"
cd "$tree" || exit 1

# compiles FILE: for the baseline of x86-64 or AArch64, whichever this is.
compiles() {
  local isa=sse2
  [ "$(uname -m)" = x86_64 ] || isa=neon64
  "$cxx" -std=c++20 -fsyntax-only -fopenmp -DATTN_ISA=$isa "-DATTN_ISA_NAME=\"$isa\"" -Isrc -Ivariants "$1" >out 2>err
}

expect 0 out '' new my_idea --tree .
if diff out - <<'END'; then pass; else fail 'three commands, as they are typed here'; fi
cmake --build build --target attnbench
build/bench/attnbench verify --variants my_idea
build/bench/attnbench compare my_idea flash --problem h:12/q:1024/d:64
END
if compiles variants/my_idea.cpp; then pass; else fail 'a copy compiles'; fi
if head -n 1 variants/my_idea.cpp | grep -q '^// Idea: ' && grep -q '^// Differs from: naive' variants/my_idea.cpp &&
  [ "$(grep -c 'ATTN_VARIANT(my_idea' variants/my_idea.cpp)" -eq 1 ] && ! grep -q 'ATTN_VARIANT(naive' variants/my_idea.cpp &&
  diff <(sed '1,/^#include/d; /^ATTN_VARIANT/,$d' variants/my_idea.cpp) <(sed '1,/^#include/d; /^ATTN_VARIANT/,$d' variants/naive.cpp)
then pass; else fail 'a copy but for symbol and comment'; fi

expect 0 out 'compare other flash --problem h:12/q:1024/d:64$' new other --from online_softmax --tree .
if compiles variants/other.cpp; then pass; else fail 'a copy of online_softmax compiles'; fi
expect 0 out 'compare back flash_backward --problem .*/pass:bwd$' new back --from flash_backward --tree .
expect 0 out 'compare tiles flash --problem .*/dtype:bf16$' new tiles --from amx_serial --tree .
if [ -e variants/tiles.amx.cpp ] && [ ! -e variants/tiles.cpp ]; then pass; else fail 'an ISA stays in the name'; fi

# From elsewhere paths are told in full, in quotes where they need them; a tree without this build is configured first.
mkdir -p "$folder/a/b/c" && cd "$folder/a/b/c" || exit 1
expect 0 out "^cmake --build '$tree/build' --target attnbench$" new elsewhere --tree "$tree"
cd "$folder" || exit 1
mkdir -p bare && cp -r "$source/variants" bare/
expect 0 out '^cmake -S bare -B bare/build$' new my_idea --tree bare
if grep -q '^bare/build/bench/attnbench verify --variants my_idea$' out; then pass; else fail 'the program of that tree'; fi

# Bad input: told, exit 2, and nothing is written.
cd "$tree" || exit 1
find . -type f ! -name out ! -name err -exec md5sum {} + | sort >"$folder/before"
refuses() { expect 2 err "$1" new "${@:2}"; } # refuses 'REGEX' ARGUMENTS...
for name in My 9a a-b 'a b' _a '' ä ../a a.b; do
  refuses "cannot name a variant: .*valid: a letter a-z, then a-z, 0-9 and _" "$name" --tree .
done
for name in int new and co_await static_assert std; do
  refuses "'$name' cannot name a variant: C\+\+ has that word already" $name --tree .
done
refuses "at most 64" "$(printf 'a%.0s' $(seq 65))" --tree .
refuses "'best' cannot name a variant: --variants best stands for" best --tree .
refuses "'naive' cannot name a variant: there is a variant of that name" naive --tree .
refuses "'onednn' cannot name a variant: there is a peer of that name" onednn --tree .
refuses 'my_idea.cpp exists, and is left as it is' my_idea --tree .
refuses 'tiles.amx.cpp exists, and is left as it is' tiles --tree .
refuses 'from absent: there is no such variant in .*; valid: .*naive' a_copy --from absent --tree .
refuses 'from ../naive: there is no such variant' a_copy --from ../naive --tree .
refuses "$folder is no source tree of attnbench; --tree names one" a_copy --tree "$folder"
refuses 'absent is no source tree' a_copy --tree absent
refuses 'name is required'
refuses '--colour' a_copy --colour
cp variants/naive.cpp variants/odd.cpp
refuses 'from odd: its file has no ATTN_VARIANT\(odd' a_copy --from odd --tree .
rm variants/odd.cpp
if find . -type f ! -name out ! -name err -exec md5sum {} + | sort | diff - "$folder/before" >"$folder/changed"
then pass; else fail "nothing may change: $(cat "$folder/changed")"; fi

# A folder that cannot be written to. Root can: it becomes nobody.
chmod -R a+rX "$folder" && chmod 755 "$folder" && chmod 555 variants
as_nobody=()
[ "$(id -u)" -ne 0 ] || as_nobody=(setpriv --reuid=65534 --clear-groups)
if "${as_nobody[@]}" test -x "$attnbench" 2>/dev/null; then
  expect_of 2 err 'cannot write .*/variants/denied.cpp: Permission denied' \
    "${as_nobody[@]}" "$attnbench" new denied --tree .
fi
chmod 755 variants

finish
