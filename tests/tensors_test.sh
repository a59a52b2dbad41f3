#!/usr/bin/env bash
# usage: tensors_test.sh ATTNBENCH PLAIN_C [EMULATOR...]
# --tensors as a user meets it: files as numpy writes them, what is refused, and what rows and result files say.
set -u
# shellcheck source-path=SCRIPTDIR source=program.sh
source "$(dirname "${BASH_SOURCE[0]}")/program.sh"
attnbench=$(realpath "$1") plugin=$(realpath "$2")
shift 2
begin "$@"

# Files as numpy.savez writes them: ZIP64 fields in every member, headers padded to 64 bytes.
python3 - <<'END_OF_PYTHON' || exit 1
import array, math, random, struct, zipfile

def npy(shape, values, descr="<f4"):
    header = str({"descr": descr, "fortran_order": False, "shape": shape})
    header += " " * (-(10 + len(header) + 1) % 64) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + values

def save(path, method=zipfile.ZIP_STORED, **arrays):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in arrays.items():
            with archive.open(name + ".npy", "w", force_zip64=True) as member:
                member.write(data)

dice = random.Random(1)
def values(count, **special):
    data = [dice.gauss(0, 1) for _ in range(count)]
    for at, value in special.items():
        data[int(at[1:])] = value
    return array.array("f", data).tobytes()

q, k, v = npy((2, 4, 9, 8), values(576)), npy((2, 2, 11, 8), values(352)), npy((2, 2, 11, 8), values(352))
save("x.npz", q=q, k=k, v=v)
save("compressed.npz", zipfile.ZIP_DEFLATED, q=q, k=k, v=v, o=b"anything")
save("nan.npz", q=npy((2, 4, 9, 8), values(576, _9=math.nan)), k=k, v=npy((2, 2, 11, 8), values(352, _5=math.inf)))
save("huge.npz", q=npy((1, 1, 2, 1), array.array("f", [1e20] * 2).tobytes()),
     k=npy((1, 1, 3, 1), array.array("f", [1e20, 2e20, 3e20]).tobytes()), v=npy((1, 1, 3, 1), values(3)))
save("f64.npz", q=npy((2, 4, 9, 8), bytes(576 * 8), "<f8"), k=k, v=v)
save("missing.npz", q=q, k=k)
same = npy((3, 7, 8), values(168))
whole = npy((2, 2, 11, 8), bytes(dice.randrange(256) for _ in range(352)).replace(b"\x80", b"\x7f"), "|i1")
def scales(**special):
    data = [dice.uniform(0.001, 0.01) for _ in range(44)]
    for at, value in special.items():
        data[int(at[1:])] = value
    return npy((2, 2, 11), array.array("f", data).tobytes())
save("int8.npz", q=q, k=whole, v=whole, k_scale=scales(), v_scale=scales())
save("no_scales.npz", q=q, k=whole, v=whole)
save("bad_scale.npz", q=q, k=whole, v=whole, k_scale=scales(), v_scale=scales(_15=-0.5))
save("same.npz", q=same, k=same, v=same)
large = npy((4, 256, 32), values(32768))
save("large.npz", q=large, k=large, v=large)
# As numpy writes float16, and the bfloat16 of ml_dtypes: a void of two bytes with a byte order.
def halves(count):
    return b"".join(struct.pack("<e", dice.gauss(0, 1)) for _ in range(count))
def brains(count):
    return b"".join(struct.pack("<f", dice.gauss(0, 1))[2:] for _ in range(count))
save("f16.npz", q=npy((2, 4, 9, 8), halves(576), "<f2"), k=npy((2, 2, 11, 8), halves(352), "<f2"),
     v=npy((2, 2, 11, 8), halves(352), "<f2"))
save("bf16.npz", q=npy((2, 4, 9, 8), brains(576), "<V2"), k=npy((2, 2, 11, 8), brains(352), "<V2"),
     v=npy((2, 2, 11, 8), brains(352), "<V2"))
save("nameless.npz", q=npy((2, 4, 9, 8), brains(576), "|V2"), k=k, v=v)
save("big_endian.npz", q=npy((2, 4, 9, 8), halves(576), ">f2"), k=k, v=v)
save("mixed.npz", q=q, k=npy((2, 2, 11, 8), halves(352), "<f2"), v=npy((2, 2, 11, 8), brains(352), "<V2"))
save("far.npz", q=npy((2, 4, 9, 8), values(576, _301=70000.0)), k=k, v=v)
open("short.npz", "wb").write(open("x.npz", "rb").read()[:-30])
END_OF_PYTHON

fast=--benchmark_min_time=0.001 few=(--variants 'naive,flash')
row=b:2/h:4/hkv:2/q:9/k:11/d:8/dv:8/dtype:f32

expect 0 out 'naive +.* ok ' verify --tensors x.npz
expect 0 err 'compressed.npz: only q, k and v are read, not o' verify --tensors compressed.npz "${few[@]}"
expect 0 out 'ok ' verify --tensors nan.npz
expect 0 out 'ok ' verify --tensors x.npz --problem h:4/b:2/hkv:2/q:9/k:11/d:8/mask:causal/lse:1/layout:bshd
expect 0 out 'ok ' verify --tensors same.npz --problem h:3/q:7/d:8/layout:packed/fill:file
expect 0 out 'split_kv .* ok ' verify --tensors int8.npz
expect 0 out 'kv:int8' run --tensors int8.npz --variants 'naive|split_kv' "$fast"
expect 0 out 'ok ' verify --tensors x.npz --plugin "$plugin" --variants plain_c
expect 1 out 'f32 breaks down on these inputs' verify --tensors huge.npz "${few[@]}"
expect 1 out "attnbench verify .*/fill:file --variants .* --seed 1 --tensors $folder/huge.npz" verify --tensors huge.npz "${few[@]}"
expect 1 out "attnbench verify .*/fill:file --variants .* --seed 1 --tensors $folder/huge.npz" \
  run --tensors huge.npz --variants naive "$fast"
reproducer=$(grep -o 'verify .*' out | head -n 1)
# shellcheck disable=SC2086  # a command line
expect 1 out 'f32 breaks down' $reproducer

# 16 bits: as the file has them, or rounded on reading; a problem that names no dtype has theirs.
half=(--variants 'naive,flash' --threads 1)
expect 0 out '^naive .* ok ' verify --tensors f16.npz "${half[@]}"
expect 0 out '^flash .* ok ' verify --tensors bf16.npz "${half[@]}"
expect 0 out '^flash .* ok ' verify --tensors x.npz --tensors-dtype bf16 "${half[@]}"
expect 0 out '^flash .* ok ' verify --tensors bf16.npz --tensors-dtype bf16 "${half[@]}"
expect 0 out 'dtype:f16' run --tensors f16.npz "${half[@]}" "$fast" --problem b:2/h:4/hkv:2/q:9/k:11/d:8/mask:causal
expect 0 out 'dtype:bf16' run --isolate --tensors x.npz --tensors-dtype bf16 "${half[@]}" "$fast"
expect 0 err 'nan.npz: there are infinite values, which stay as they are: 1 in v' \
  verify --tensors nan.npz --tensors-dtype f16 "${half[@]}"
rejects 'bf16.npz: its arrays are bf16, and --tensors-dtype f16 rounds none but f32; valid: --tensors-dtype bf16, or none' \
  --tensors bf16.npz --tensors-dtype f16
rejects 'mixed.npz: the arrays are of different types: q is f32, k is f16, v is bf16' --tensors mixed.npz
rejects "far.npz: array 'q' holds 70000 at \[1, 0, 1, 5\], which --tensors-dtype f16 would make infinite" \
  --tensors far.npz --tensors-dtype f16
rejects "nameless.npz: array 'q' is two bytes of no type.*q=q.view\(ml_dtypes.bfloat16\)" --tensors nameless.npz
rejects "big_endian.npz: array 'q' is big-endian float16 \('>f2'\); valid: little-endian" --tensors big_endian.npz
rejects 'f16.npz does not fit: q is f16, the problem is of f32' --tensors f16.npz \
  --problem b:2/h:4/hkv:2/q:9/k:11/d:8/dtype:f32
rejects '--tensors-dtype bf16 rounds the arrays of a file; name it with --tensors FILE.npz' \
  --problem h:1/q:8/d:4 --tensors-dtype bf16
rejects "tensors-dtype: is 'f32'; valid: bf16, f16" --tensors x.npz --tensors-dtype f32

# The same by numpy itself, and by ml_dtypes, where they are.
if python3 - 2>/dev/null <<'END_OF_PYTHON'; then
import numpy
dice = numpy.random.default_rng(1)
make = lambda *shape: dice.standard_normal(shape, dtype="float32")
q, k, v = make(2, 4, 9, 8), make(2, 2, 11, 8), make(2, 2, 11, 8)
numpy.savez("numpy_f32.npz", q=q, k=k, v=v)
numpy.savez_compressed("numpy_f16.npz", q=q.astype("float16"), k=k.astype("float16"), v=v.astype("float16"))
END_OF_PYTHON
  # What numpy rounds are the values that --tensors-dtype rounds: rounds_alike DTYPE FILE.
  rounds_alike() {
    local hashes
    hashes=$(for inputs in "$2" "numpy_f32.npz --tensors-dtype $1"; do
      # shellcheck disable=SC2086  # words of a command line
      run run --tensors $inputs --variants naive "$fast" --benchmark_out=hash.json || echo "exit $? of $inputs"
      python3 -c 'import json; print(json.load(open("hash.json"))["context"]["tensors_hash"])'
      rm -f hash.json
    done 2>&1)
    if [[ $hashes =~ ^([0-9a-f]{16})$'\n'([0-9a-f]{16})$ && ${BASH_REMATCH[1]} = "${BASH_REMATCH[2]}" ]]; then
      pass
    else
      fail "$2 and --tensors-dtype $1 differ: $hashes"
    fi
  }
  rounds_alike f16 numpy_f16.npz
  if python3 - 2>/dev/null <<'END_OF_PYTHON'; then
import ml_dtypes, numpy
numpy.savez("numpy_bf16.npz", **{name: array.astype(ml_dtypes.bfloat16) for name, array in numpy.load("numpy_f32.npz").items()})
numpy.savez("loaded.npz", **numpy.load("numpy_bf16.npz"))
END_OF_PYTHON
    rounds_alike bf16 numpy_bf16.npz
    rejects "loaded.npz: array 'q' is two bytes of no type" --tensors loaded.npz
  fi
fi

rejects 'f64.npz: array .q. is float64' --tensors f64.npz
rejects "missing.npz: has no array 'v'" --tensors missing.npz
rejects "no_scales.npz: has no array 'k_scale'; int8 of k and v needs k_scale and v_scale" --tensors no_scales.npz
rejects 'v_scale of batch 0, kv head 1, token 4 is -0.5' --tensors bad_scale.npz
rejects 'x.npz does not fit: k is f32, the problem is of kv:int8' --tensors x.npz --problem b:2/h:4/hkv:2/q:9/k:11/d:8/kv:int8
rejects 'short.npz: cannot be read: ' --tensors short.npz
rejects 'absent.npz: there is no such file' --tensors absent.npz
rejects 'tensors: names no file' --tensors ''
rejects "x.npz does not fit: q is \[2, 4, 9, 8\], h:4/q:9/d:8 needs \[1, 4, 9, 8\]" --tensors x.npz --problem h:4/q:9/d:8
rejects 'fill:uniform does not go with --tensors' --tensors same.npz --problem h:3/q:7/d:8/fill:uniform
rejects 'fill:normal does not go with --tensors' --tensors same.npz --problem h:3/q:7/d:8/fill:normal
rejects 'fill:file are the tensors of a file; name it with --tensors' --problem h:3/q:7/d:8/fill:file
rejects 'a sweep names many; leave --sweep out' --tensors x.npz --sweep quick
printf '%s\n' 'title = "t"' 'budget_seconds = 100' 'min_time_seconds = 0.001' '[[problem]]' \
  'problem = "h:3/q:7/d:8/fill:file"' 'model = "m"' 'source = "s"' >mine.toml
rejects 'fill:file are the tensors of a file' --sweep mine.toml
rejects 'nothing to run' --variants naive

expect 0 out 'fill:file' run --tensors x.npz "${few[@]}" "$fast" --benchmark_out=result.json
# Large enough that its copies can exceed any cache; left out, with the reason, where the system does not tell of caches.
expect 0 out 'cache:cold' run --tensors large.npz --problem h:4/q:256/d:32 --problem h:4/q:256/d:32/cache:cold \
  --variants flash "$fast"
expect 0 out 'plain_c' run --tensors x.npz --plugin "$plugin" --variants 'naive,plain_c' "$fast"
expect 0 out 'naive' run --tensors x.npz --isolate "${few[@]}" "$fast"
expect 0 err '' run --tensors x.npz "${few[@]}" "$fast" --benchmark_out=result.json --resume
expect 2 err "written with tensors '.*x.npz', this run has ''" run --problem h:3/q:7/d:8 --benchmark_out=result.json --resume
expect 2 err "written with tensors_dtype '', this run has 'bf16'" \
  run --tensors x.npz --tensors-dtype bf16 --benchmark_out=result.json --resume
cp compressed.npz other.npz
expect 2 err "written with tensors '.*/x.npz', this run has '.*/other.npz'" \
  run --tensors other.npz --benchmark_out=result.json --resume
cp nan.npz x.npz
expect 2 err "written with tensors_hash '[0-9a-f]{16}'" run --tensors x.npz --benchmark_out=result.json --resume
python3 - "$folder" $row <<'END_OF_PYTHON' || fail result.json
import json, sys
document = json.load(open("result.json"))
assert document["context"]["tensors"] == sys.argv[1] + "/x.npz", document["context"]["tensors"]
assert len(document["context"]["tensors_hash"]) == 16
names = {row["run_name"] for row in document["benchmarks"]}
assert len(names) == 2 and all(f"/{sys.argv[2]}/mask:none/fill:file/threads:1" in name for name in names), names
END_OF_PYTHON

finish
