#!/usr/bin/env bash
# usage: files_test.sh ATTNBENCH TEXTS_FOLDER [EMULATOR...]
# What goes into result files and to the terminal, and where it goes: context and names of any bytes, texts of plugins,
# links, devices and pipes, the flags of Google Benchmark.
set -u
# shellcheck source-path=SCRIPTDIR source=program.sh
source "$(dirname "${BASH_SOURCE[0]}")/program.sh"
attnbench=$(realpath "$1") texts=$(realpath "$2")
shift 2
begin "$@"

small=(--problem h:1/q:8/d:4 --variants naive)
fast=--benchmark_min_time=0.001

# holds FILE 'EXPRESSION': a result file that Python reads, in which the expression over its context c and rows r is true.
holds() {
  if python3 - "$1" "$2" <<'END_OF_PYTHON' >out 2>err; then pass; else fail "$1: $2"; fi
import json, sys
document = json.load(open(sys.argv[1], encoding="utf-8"))
c, r = document["context"], [row for row in document["benchmarks"] if row.get("repetition_index") == 0]
assert eval(sys.argv[2]), document
END_OF_PYTHON
}
# No byte that a terminal obeys: none but line breaks below the space, no DEL, no C1, and all of it UTF-8.
tame() {
  if python3 - "$@" <<'END_OF_PYTHON' >tame_out 2>&1; then pass; else cat tame_out; fail "control characters in $*"; fi
import sys
for path in sys.argv[1:]:
    text = open(path, encoding="utf-8").read()
    bad = {c for c in text if (c < " " and c != "\n") or "\x7f" <= c < "\xa0"}
    assert not bad, (path, bad)
END_OF_PYTHON
}

# Context. Every key that a run writes is reserved, those of later revisions too.
expect 0 err '' run "${small[@]}" "$fast" --benchmark_out=plain.json --benchmark_context='commit=abc,options=-O3 -march=x'
holds plain.json 'c["commit"] == "abc" and c["options"] == "-O3 -march=x" and c["seed"] == "1" and len(r) == 1'
python3 -c 'import json; print("\n".join(set(json.load(open("plain.json"))["context"]) - {"commit", "options"}))' >keys
while read -r key; do
  rejects "the key $key is reserved; so are: .*ceilings.*seed" "${small[@]}" --benchmark_context="mine=1,$key=99"
done <keys
[ "$(wc -l <keys)" -gt 24 ] || fail 'a run writes more keys than that'
rejects 'the key seed is reserved' "${small[@]}" --benchmark_context=seed=99
rejects 'the key slowdown is reserved' "${small[@]}" --benchmark_context=slowdown=naive
rejects 'is no KEY=VALUE' "${small[@]}" --benchmark_context=commit
BENCHMARK_CONTEXT=seed=99 rejects 'BENCHMARK_CONTEXT is set: unset it' "${small[@]}"
expect 0 err '' run "${small[@]}" "$fast" --benchmark_out=bytes.json --benchmark_context=$'no\xffte\x01=\033[31mred\xc2\x9b \xf0\x9f\x98\x80'
holds bytes.json 'c["no\\xffte\\x01"] == "\\x1b[31mred\\u009b \U0001F600"'

# Names of files.
odd=$'odd \xff\033[31m\n'
mkdir "$odd"
expect 0 err 'Results: ' run "${small[@]}" "$fast" --benchmark_out="$odd/out.json"
tame err
holds "$odd/out.json" 'len(r) == 1'
expect 2 err 'cannot write .*odd' run "${small[@]}" "$fast" --benchmark_out="$odd/absent/out.json"
tame err
printf '%s\n' 'title = "t"' 'budget_seconds = 100' 'min_time_seconds = 0.001' '[[problem]]' \
  'problem = "h:1/q:8/d:4"' 'model = "m"' 'source = "s"' >"$odd/sweep.toml"
expect 0 err '' run --sweep "$odd/sweep.toml" --variants naive "$fast" --benchmark_out=sweep.json
tame err
holds sweep.json 'len(r) >= 1'
for option in --sweep --tensors --plugin --best --problem --variants --isa --threads --absent; do
  expect 2 err '.' run "${small[@]}" "$option" "$odd/absent"
  grep -q 'json.exception' err && fail "$option: an exception's text"
  tame err
done
python3 - "$odd" <<'END_OF_PYTHON' || fail 'no tensors'
import array, struct, sys, zipfile
header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1L, 1L, 8L, 4L), }\n"
data = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + array.array("f", [0.5] * 32).tobytes()
path = sys.argv[1].encode(errors="surrogateescape")
with zipfile.ZipFile(open(path + b"/x.npz", "wb"), "w") as archive:
    for name in ["q", "k", "v", "\033[31mother"]:
        archive.writestr(name + ".npy", data)
END_OF_PYTHON
expect 0 err '' run --tensors "$odd/x.npz" --variants naive "$fast" --benchmark_out=tensors.json
tame out err
holds tensors.json '"odd \\xff\\x1b[31m" in c["tensors"] and len(c["tensors_hash"]) == 16'
expect 0 err '' run --tensors "$odd/x.npz" --variants naive "$fast" --benchmark_out=tensors.json --resume
expect 0 err '' run --tensors "$odd/x.npz" --variants naive --isolate "$fast" --benchmark_out=tensors.json
expect 0 out 'ok' verify --tensors "$odd/x.npz" --variants naive --json tensors.json
tame out err

# Texts of plugins, in every place that shows them.
cp "$texts/escapes.so" "$odd/"
plugin=(--plugin "$odd/escapes.so")
expect 0 out 'texts +a summary \\x1b\[31mred\\x1b\[0m .*\\u009b \\x07 and more.*\.\.\.$' list "${plugin[@]}"
tame out err
expect 0 out '"source": "a source .*\.\.\."' list --json "${plugin[@]}"
tame out err
expect 0 out 'texts .* ok ' verify "${plugin[@]}" --variants texts --problem h:1/q:8/d:4 --problem h:1/q:16/d:4 --json verdicts.json
grep -q 'too long: \\x1b\[31mred.* and a second line' out || fail 'a refusal that is not shown'
tame out err verdicts.json
expect 0 out 'kernel .x1b' run "${plugin[@]}" --variants 'naive,texts' --problem h:1/q:8/d:4 --problem h:1/q:16/d:4 \
  "$fast" --benchmark_out=texts.json
tame out err texts.json
holds texts.json 'all(len(row["label"]) <= 200 for row in r if "/texts/" in row["name"]) and sum("/texts/" in row["name"] for row in r) == 1'
holds texts.json '"too long: \\x1b[31mred" in c["skipped"] and len(c["plugins"]) < 600 and "(1.0 \\x1b[31mred" in c["plugins"]'
expect 0 out '"label": "kernel' run "${plugin[@]}" --variants texts --problem h:1/q:8/d:4 "$fast" --benchmark_format=json
tame out err
# What is told to be pasted works, whatever the file is called.
arguments=$(python3 -c 'import json; print(json.load(open("texts.json"))["context"]["plugin_arguments"])')
eval "expect 0 out 'texts .* ok ' verify --variants texts --problem h:1/q:8/d:4 $arguments"

refuses() { rejects "--plugin .*/$1.so: entry 0 $2" --plugin "$texts/$1.so" --problem h:1/q:8/d:4; tame err; }
refuses no_summary '\(texts\) leaves summary out; valid: what it is, in one line'
refuses empty_summary '\(texts\) leaves summary out'
refuses no_source '\(texts\) leaves source out; valid: where the idea comes from'
refuses no_multiple '\(texts\) has error_multiple 0 or leaves it out; valid: 1, or more'
refuses nan_multiple '\(texts\) has error_multiple nan; valid: 1'
refuses infinite_multiple '\(texts\) has error_multiple inf; valid: 1'
refuses negative_multiple '\(texts\) has error_multiple -1; valid: 1'
refuses escaped_name "has 'naive\\\\x1b\[2J' for a name; valid: \[a-z0-9_\]\+ of at most 64"
refuses escaped_isa "\(texts\) names the ISA '.x1b\[31m.*\.\.\.'; valid: "
refuses long_name "has 'long.*\.\.\.' for a name"

# Where results go. Each command that writes a file: run, verify, compare, tune.
writes() { # writes FILE EXPECTED_CODE 'REGEX'
  local file=$1 code=$2 pattern=$3
  expect "$code" err "$pattern" run "${small[@]}" "$fast" --benchmark_out="$file"
  expect "$code" ${verified:-err} "$pattern" verify "${small[@]}" --json "$file"
  expect "$code" err "$pattern" tune "${small[@]}" --seconds-per-problem 0.01 --out "$file"
  for format in csv console; do
    expect "$code" err "$pattern" run "${small[@]}" "$fast" --benchmark_out="$file" --benchmark_out_format=$format
  done
}
# As any user would, through links: the one to a device, too.
ln -s /dev/null null
verified=out writes null 0 '.'
[ -c /dev/null ] && [ -L null ] && [ ! -e /dev/null.journal ] && [ ! -e null.journal ] || fail '/dev/null was replaced'
expect 3 err 'cannot write /dev/full: No space left' run "${small[@]}" "$fast" --benchmark_out=/dev/full
expect 3 err 'cannot write /dev/full: No space left' verify "${small[@]}" --json /dev/full
mkfifo pipe
writes pipe 2 'cannot write pipe: it is a pipe that nobody reads'
[ -p pipe ] && [ ! -e pipe.journal ] || fail 'the pipe was replaced'
for format in json csv; do
  cat pipe >received &
  # Opened by the reader only when there is a writer: so is the writer's, until both have come.
  for _ in $(seq 50); do
    run run "${small[@]}" "$fast" --benchmark_out=pipe --benchmark_out_format=$format
    grep -q 'nobody reads' err || break
    sleep 0.1
  done
  wait $!
  [ -s received ] && pass || fail "nothing came through the pipe as $format"
  if [ $format = json ]; then holds received 'len(r) == 1'; else grep -q '^name,iterations' received || fail csv; fi
done
run verify "${small[@]}" --json >(cat >received)
for _ in $(seq 50); do [ -s received ] && break; sleep 0.1; done
python3 -c 'import json; assert json.load(open("received"))[0]["passed"]' || fail 'verify --json into a pipe'
# Standard output is one of these: the table and the document, and nothing of either lost.
"$attnbench" run "${small[@]}" "$fast" --benchmark_out=/dev/stdout --benchmark_format=json >both 2>err || fail stdout
[ "$(grep -c '"benchmarks"' both)" -eq 2 ] && pass || fail 'standard output holds both'

mkdir real
ln -s real/out.json dangling
ln -s dangling second
expect 0 err 'Results: second' run "${small[@]}" "$fast" --benchmark_out=second
[ -L second ] && [ -L dangling ] && [ -f real/out.json ] || fail 'a link was replaced'
holds real/out.json 'len(r) == 1'
expect 0 err '' run "${small[@]}" "$fast" --benchmark_out=second --resume
expect 0 out 'ok' verify "${small[@]}" --json second
[ -L second ] && python3 -c 'import json; assert json.load(open("real/out.json"))[0]["passed"]' && pass || fail 'verify through a link'
expect 0 err '' tune "${small[@]}" --seconds-per-problem 0.01 --out second
[ -L second ] && grep -q 'schema' real/out.json && pass || fail 'tune through a link'
ln -s circle circle
expect 2 err 'cannot write circle: its links lead in a circle' run "${small[@]}" --benchmark_out=circle
[ "$(ls real)" = out.json ] && pass || fail "left behind: $(ls real)"

# The files of others, beside ours.
mkdir beside
for name in x.json.tmp x.json.journal x.json.lock; do echo mine >beside/$name; done
expect 0 out '1 cases' run "${small[@]}" "$fast" --benchmark_out=beside/x.json --dry-run
[ ! -e beside/x.json ] || fail 'a dry run wrote'
expect 0 err 'x.json.journal is no journal of attnbench.s: it is left as it is' run "${small[@]}" "$fast" --benchmark_out=beside/x.json
expect 0 err '' run "${small[@]}" "$fast" --benchmark_out=beside/x.json --resume
[ "$(cat beside/x.json.* | sort -u)" = mine ] && [ "$(ls beside | wc -l)" -eq 4 ] && pass || fail "files of others: $(ls beside)"
# Two runs on one file, from before the first has written anything.
"$attnbench" run "${small[@]}" --benchmark_min_time=30 --benchmark_out=beside/shared.json >first_out 2>&1 &
first=$!
for _ in $(seq 100); do [ -s beside/shared.json.journal ] && break; sleep 0.05; done
expect 2 err "cannot write beside/shared.json: another process is writing results to it \(pid $first\)" \
  run "${small[@]}" "$fast" --benchmark_out=beside/shared.json
kill -9 $first
wait $first 2>/dev/null
expect 0 err '' run "${small[@]}" "$fast" --benchmark_out=beside/shared.json

# Streams that cannot be written: on standard error nothing depends, what standard output was to show is lost.
stream_is_closed() { # stream_is_closed 'REDIRECTION' CODE ARGUMENTS...: sh, so that the stream is closed and not only ours
  local redirection=$1 want=$2 got
  shift 2
  rm -f unheard.json
  sh -c "\"\$@\" $redirection" sh "$attnbench" "$@" >out 2>err
  got=$?
  [ $got -eq "$want" ] && pass || fail "attnbench $* $redirection: exit $got (want $want)"
}
for redirection in '2>&-' '2>/dev/full'; do
  stream_is_closed "$redirection" 0 run "${small[@]}" "$fast" --benchmark_out=unheard.json
  holds unheard.json 'len(r) == 1'
  stream_is_closed "$redirection" 0 verify "${small[@]}" --json unheard.json
  stream_is_closed "$redirection" 2 run --problem h:0
done
closed_pipe() { python3 - "$@" <<'END_OF_PYTHON'
import os, subprocess, sys
reader, writer = os.pipe()
os.close(reader)
sys.exit(subprocess.run(sys.argv[2:], **{sys.argv[1]: writer}).returncode)
END_OF_PYTHON
}
expect_of 0 out 'naive' closed_pipe stderr "$attnbench" run "${small[@]}" "$fast" --benchmark_out=unheard.json
holds unheard.json 'len(r) == 1'
# A reader that pauses for ever holds up no signal.
expect_of 130 out '' python3 - "$attnbench" run "${small[@]}" "$fast" --benchmark_out=unheard.json <<'END_OF_PYTHON'
import os, subprocess, sys, time
reader, writer = os.pipe()
os.set_blocking(writer, False)
try:
    while True: os.write(writer, b"x" * 4096)
except BlockingIOError: os.set_blocking(writer, True)
process = subprocess.Popen(sys.argv[1:], stderr=writer)
time.sleep(0.7)
process.terminate()
sys.exit(process.wait(timeout=30))
END_OF_PYTHON
lost='cannot write to standard output'
expect_of 3 err "$lost" closed_pipe stdout "$attnbench" run "${small[@]}" "$fast" --benchmark_out=unheard.json
for redirection in '>&-' '>/dev/full'; do
  for format in '' =json =csv; do
    stream_is_closed "$redirection" 3 run "${small[@]}" "$fast" --benchmark_out=unheard.json ${format:+--benchmark_format$format}
    grep -q "$lost" err || fail "$redirection $format"
    holds unheard.json 'len(r) == 1'
  done
  stream_is_closed "$redirection" 3 verify "${small[@]}" --json unheard.json
  [ -s unheard.json ] || fail 'verdicts without a standard output'
  for command in list 'list --json' --help 'run --help' 'run --problem h:1/q:8/d:4 --dry-run'; do
    # shellcheck disable=SC2086
    stream_is_closed "$redirection" 3 $command
  done
done
expect 3 err 'cannot write /dev/full' run "${small[@]}" "$fast" --benchmark_out=/dev/full --benchmark_out_format=csv

# Limits of the machine: exit 3 with the reason.
# Without what else is open here: the loader of the program's libraries needs a descriptor of the few.
limited() { (exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- && ulimit -n "$1" && "$attnbench" "${@:2}"); }
for command in "run ${small[*]} $fast --benchmark_out=limited.json" "verify ${small[*]} --isolate" list; do
  # shellcheck disable=SC2086
  expect_of 3 err 'cannot open 16 files at once: Too many open files; the limit is ulimit -n 4' limited 4 $command
done
[ ! -e limited.json ] && pass || fail 'a run without descriptors wrote'

# Expressions of any size and form are answered.
endless='((((.*)*)*)*)*Q' deep=$(head -c 60000 /dev/zero | tr '\0' '(')
rejects 'is no regular expression' --problem h:1/q:8/d:4 --variants "$deep"
rejects 'is no regular expression' "${small[@]}" --benchmark_filter="$deep"
rejects 'matches no variant' --problem h:1/q:8/d:4 --variants "$endless"
rejects 'matches none of the selected cases' "${small[@]}" --benchmark_filter="$endless"
expect 2 err 'matches no variant' compare "$endless" naive --problem h:1/q:8/d:4
expect 2 err 'valid: VARIANT' compare "naive@@$(head -c 100000 /dev/zero | tr '\0' a)" naive --problem h:1/q:8/d:4

# A sweep of very many shapes is planned; a signal ends the planning.
python3 - >many.toml <<'END_OF_PYTHON'
print('title = "t"\nbudget_seconds = 100\nmin_time_seconds = 0.001')
for i in range(20000): print(f'[[problem]]\nproblem = "h:1/q:{i % 200 + 1}/k:{i // 200 + 1}/d:4"\nmodel = "m"\nsource = "s"')
END_OF_PYTHON
expect 0 out 'cases, .* s predicted of a budget of 100 s' run --sweep many.toml --variants naive --dry-run
for signal in INT TERM; do
  expect_of 130 err 'stopping' timeout --preserve-status -s $signal 0.6 "$attnbench" run --sweep many.toml --dry-run
done

# Tensors that are no file.
expect 2 err 'is a folder, of which no archive can be read; valid: a file of numpy.savez' run --tensors real
expect 2 err 'is a pipe, of which' run --tensors pipe
expect 2 err 'is a pipe, of which' verify --tensors <(cat "$odd/x.npz")
expect 2 err 'is a character device, of which' run --tensors /dev/zero

# Other files that are read: none is waited for in vain.
unwritten='a pipe that nobody writes to; name a file'
expect 2 err "$unwritten" run --problem h:1/q:8/d:4 --variants best --best pipe
expect 2 err 'is a pipe, neither a file nor a name' run --sweep pipe
expect 2 err 'there is no such file; it is a pipe' run "${small[@]}" --plugin ./pipe
expect 2 err "$unwritten" gate a b --floors pipe
expect 2 err "$unwritten" gate a b --same-code pipe

# Google Benchmark's flags: what it would misread, crash on or leave out.
rejects 'valid: ns, us, ms, s' "${small[@]}" --benchmark_time_unit=min
rejects 'valid: auto, true, false' "${small[@]}" --benchmark_color=
rejects 'or 0' "${small[@]}" --benchmark_min_warmup_time=nan
expect 2 err 'names no file' run "${small[@]}" --benchmark_out=
expect 2 err 'needs --benchmark_out=FILE' run "${small[@]}" --benchmark_out_format=csv
expect 0 out '"time_unit": "ms"' run "${small[@]}" "$fast" --benchmark_time_unit=ms --benchmark_format=json
expect 0 out $'\033\\[' run "${small[@]}" "$fast" --benchmark_color=true --benchmark_format=console
expect 0 out $'\033\\[' run "${small[@]}" "$fast" --benchmark_color=true
for color in auto false; do
  expect 0 out 'naive' run "${small[@]}" "$fast" --benchmark_color=$color --benchmark_format=console
  tame out
done
expect 0 out 'bytes=' run "${small[@]}" "$fast" --benchmark_format=console
expect 0 out '  bytes ' run "${small[@]}" "$fast" --benchmark_format=console --benchmark_counters_tabular=true
# Rows with different counters, which Google Benchmark's CSV aborts at.
mixed=(--problem h:1/q:64/d:4 --problem h:1/q:1/k:300/d:8 --problem h:1/q:60/d:24/layer:single)
expect 0 out '^name,iterations.*pct_bandwidth.*projections_seconds' run "${mixed[@]}" --variants naive "$fast" --benchmark_format=csv
[ "$(grep -o '^"[^"]*/real_time"' out | sort -u | wc -l)" -eq 3 ] && pass || fail 'rows of the CSV'
# A filter by what Google Benchmark appends: rows of a worker are named otherwise.
expect 0 out 'naive' run "${small[@]}" "$fast" --isolate --benchmark_filter='real_time$' --benchmark_out=filtered.json
holds filtered.json 'len(r) == 1'
# The environment's are the same, and the file is ours.
BENCHMARK_OUT=environment.json BENCHMARK_REPETITIONS=2 expect 0 err 'Results: environment.json' run "${small[@]}" "$fast"
holds environment.json 'sum(row["run_type"] == "iteration" for row in document["benchmarks"]) == 2 and "skipped" in c'
BENCHMARK_FORMAT=xml expect 2 err 'valid: json, console, csv' run "${small[@]}" "$fast"

finish
