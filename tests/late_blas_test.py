"""usage: late_blas_test.py ATTNBENCH

A worker has one thread and no BLAS until a layer asks for a product, and no thread of the BLAS's own after it; where
OpenBLAS is of no use, layers have plain loops and `list` says why.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ATTNBENCH = sys.argv[1]
THREADS = 2
failures = []


def check(what, ok):
    if not ok:
        failures.append(what)


listed = subprocess.run([ATTNBENCH, "list"], capture_output=True, text=True, check=True).stdout
isas = {row["isa"] for row in json.loads(subprocess.run([ATTNBENCH, "list", "--json"], capture_output=True, text=True,
                                                        check=True).stdout) if row["name"] == "flash"}
isa = "neon64" if "neon64" in isas else "sse2"
has_blas = "projections by CBLAS" in listed
worker = subprocess.Popen([ATTNBENCH, "worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
folder = pathlib.Path("/proc", str(worker.pid))


def blas():
    return "blas" in (folder / "maps").read_text().lower()


def threads():
    return len(list((folder / "task").iterdir()))


def ask(line):
    worker.stdin.write(line + "\n")
    worker.stdin.flush()
    return json.loads(worker.stdout.readline())


assert json.loads(worker.stdout.readline())["hello"]
check("no BLAS after the start", not blas())
check("one thread after the start", threads() == 1)
# The oracle of the preparation has a team of all cores; this case's kernel one of two.
attention = ask(f"prep attention/flash/{isa}/h:2/q:64/d:16/threads:{THREADS}")
check(f"attention is right: {attention}", attention["ok"] and attention["verdict"]["passed"])
check("no BLAS after a case of attention", not blas())
of_attention = threads()
layer = ask(f"prep layer/fused/flash/{isa}/h:2/q:64/d:16/threads:{THREADS}")
check(f"a layer is right: {layer}", layer["ok"] and layer["verdict"]["passed"])
check(f"a BLAS after a layer, as list says: {has_blas}", blas() == has_blas)
check(f"no more threads than before, {of_attention}, but {threads()}", threads() <= of_attention)
ask_again = ask(f"run layer/fused/flash/{isa}/h:2/q:64/d:16/threads:{THREADS} 3")
check(f"it runs: {ask_again}", ask_again["ok"] and ask_again["verdict"]["passed"])
check("still no more threads", threads() <= of_attention)
worker.stdin.close()
check("it ends", worker.wait() == 0)
if has_blas:
    with tempfile.TemporaryDirectory() as other:
        # A library by that name which has no product: another one's file, which the loader knows.
        needed = subprocess.run(["ldd", ATTNBENCH], capture_output=True, text=True, check=True).stdout
        math = next(line.split()[2] for line in needed.splitlines() if "libm.so" in line)
        pathlib.Path(other, "libopenblas.so.0").symlink_to(math)
        environment = os.environ | {"LD_LIBRARY_PATH": other}
        said = subprocess.run([ATTNBENCH, "list"], capture_output=True, text=True, env=environment).stdout
        check(f"list says why there are plain loops: {said}", "plain loops (the OpenBLAS here lacks cblas_sgemm)" in said)
        done = subprocess.run([ATTNBENCH, "verify", "--variants", "flash", "--problem", "h:2/q:64/d:16/layer:fused"],
                              capture_output=True, text=True, env=environment)
        check(f"layers do without: {done.stdout}{done.stderr}", done.returncode == 0 and " ok " in done.stdout)

for failure in failures:
    print("FAILED:", failure)
sys.exit(bool(failures))
