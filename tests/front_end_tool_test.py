"""usage: front_end_tool_test.py TOOL

tools/torch_beside_python with an attnbench and a Python that only pretend: it finds a peer that is slower than by itself,
passes one that is not, and tells neither of noise nor of absence that it were a fault.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

TOOL = os.path.realpath(sys.argv[1])

ATTNBENCH = """#!{python}
import os
print("  torch   " + os.environ.get("LISTED", "/somewhere/torch.so"))
"""
# GFLOP/s of the suite's turns, one after the other, round and round; Python's are 100.
WORKER = """#!{python}
import itertools, json, os, sys
print(json.dumps({{"plugins": [{{"variants": [{{"isa": "sse2"}}]}}]}}), flush=True)
rates = itertools.cycle(float(rate) for rate in os.environ["RATES"].split(","))
for line in sys.stdin:
    verb, case, *calls = line.split()
    right = {{"ok": True, "verdict": {{"passed": True}}, "libraries": "its own", "what_ran": "flash"}}
    if verb == "measure":
        rate = 100 if "measured" not in globals() else next(rates)
        measured = True
        right["wall_seconds"] = int(calls[0]) * 4 * 12 * 1024 * 1024 * 64 / (1e9 * rate)
    print(json.dumps(right), flush=True)
"""
PYTHON = """#!{python}
import os, sys
print("9.9-" + sys.argv[7], os.environ.get("KERNEL", "flash"), flush=True)
heads, length, dim = map(int, sys.argv[3:6])
for line in sys.stdin:
    print(4 * heads * length * length * dim / 100e9, flush=True)
"""
NO_TORCH = """#!{python}
import sys
sys.exit("ModuleNotFoundError: No module named 'torch'")
"""

CASES = [
    ("as fast as by itself", "101,99,100,102,98,100", {}, 0, "ratio 1.000 [0.980, 1.020]: same"),
    ("a tenth of it", "10", {}, 1, "different"),
    ("a seventh slower, with noise", "85,86,87,84,86,85,60", {}, 1, "different"),
    ("faster than by itself", "130", {}, 1, "different"),
    ("shown once, and not again", ",".join(["80"] * 8 + ["100"] * 8), {}, 4, "same"),
    ("noise", "60,140", {}, 4, "too noisy to tell"),
    ("as fast in 16 bits", "100", {"PROBLEM": "h:12/q:1024/d:64/dtype:bf16"}, 0, "Python 9.9-bf16 100.0 GFLOP/s"),
    ("as fast with another kernel", "100", {"KERNEL": "math"}, 1, "threads:1: the suite ran flash, Python runs math: different"),
    ("a peer that was not built", "100", {"LISTED": "absent: no libtorch"}, 3, "attnbench has no torch: absent: no libtorch"),
    ("no torch in Python", "100", {"PYTHON": NO_TORCH}, 3, "No module named 'torch'; run tools/setup --peers"),
]

failures = 0
for name, rates, options, code, text in CASES:
    with tempfile.TemporaryDirectory() as folder:
        for program, lines in ("attnbench", ATTNBENCH), ("attnbench_plugin_worker", WORKER), ("python", options.get("PYTHON", PYTHON)):
            path = pathlib.Path(folder, program)
            path.write_text(lines.format(python=sys.executable))
            path.chmod(0o755)
        environment = os.environ | {"RATES": rates} | {k: v for k, v in options.items() if k in ("LISTED", "KERNEL")}
        done = subprocess.run([TOOL, "--attnbench", f"{folder}/attnbench", "--python", f"{folder}/python", "--threads", "1",
                               "--max-seconds", "1", "--problem", options.get("PROBLEM", "h:12/q:1024/d:64")],
                              cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode != code or text not in done.stdout + done.stderr:
            failures += 1
            print(f"FAILED: {name}: exit {done.returncode} (want {code}), should say '{text}':\n{done.stdout}{done.stderr}")
for arguments in ["--threads", "0"], ["--problem", "h:1/q:2/d:3/mask:causal"], ["--problem", "h:1/q:2/d:3/dtype:f64"], ["--threads", "x"]:
    done = subprocess.run([TOOL, *arguments], capture_output=True, text=True)
    if done.returncode != 2:
        failures += 1
        print(f"FAILED: {arguments}: exit {done.returncode} (want 2)")
sys.exit(failures > 0)
