#!/bin/sh
# sealed_symbols.sh NM KEEPFILE SEALED.o [ALSO_ALLOWED]
# A sealed file defines exactly the symbols of its keep file, needs nothing but what is listed here, and runs no code
# at start-up. Anything else could be code of one ISA that the linker hands to another, or that runs on a CPU without it.
set -u
export LC_ALL=C
nm=$1 keep=$2 sealed=$3 also=${4:-no_such_symbol}
[ -r "$keep" ] && [ -r "$sealed" ] || { echo "cannot read $keep and $sealed"; exit 2; }

# libm's float functions; memory; OpenMP of GCC and LLVM; what compilers add on their own; sanitizer runtimes.
math='(exp|exp2|expm1|log|log2|log1p|pow|fma|fabs|fmax|fmin|fmod|round|nearbyint|rint|floor|ceil|trunc|tanh|sqrt|ldexp|scalbn|nextafter)f?'
memory='mem(cpy|move|set|cmp)'
openmp='(GOMP|GOACC|omp|__kmpc)_.*'
compiler='_GLOBAL_OFFSET_TABLE_|__stack_chk_(fail|guard)|__tls_get_addr|__gxx_personality_v0|_Unwind_Resume|__clang_call_terminate|_ZSt9terminatev|__cxa_begin_catch|__assert_fail|_ZSt21__glibcxx_assert_failPKciS0_S0_'
sanitizers='__(asan|ubsan|tsan|msan|lsan|sanitizer|gcov|llvm_profile)_.*|_ZT[IV]N10__cxxabiv1.*'
allowed="^($math|$memory|$openmp|$compiler|$sanitizers|$also)\$"

names() { awk 'NF > 1 { print $1 }' | sort; }
defined=$("$nm" --defined-only --extern-only --format=posix "$sealed" | names)
undefined=$("$nm" --undefined-only --format=posix "$sealed" | names)
failed=0

if [ "$defined" != "$(sort "$keep" | sed '/^$/d')" ]; then
  echo "$sealed defines:"; echo "$defined"
  echo "it should define exactly:"; cat "$keep"
  failed=1
fi
foreign=$(echo "$undefined" | grep -vE "$allowed" | sed '/^$/d')
if [ -n "$foreign" ]; then
  echo "$sealed needs foreign symbols:"; echo "$foreign"
  failed=1
fi
# Section names stand in the file as text. ASan and TSan start every object with a constructor of their own.
if grep -aqE '\.(init_array|ctors|preinit_array)' "$sealed" && ! echo "$undefined" | grep -qE '^__[at]san_init$'; then
  echo "$sealed runs code at start-up"
  failed=1
fi
exit $failed
