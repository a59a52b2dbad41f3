#!/usr/bin/env python3
"""usage: gate_proxy.py KEY[=VALUE]... -- ATTNBENCH worker

Stands between the gate and a worker, and changes what the worker says: a build that is slower, another machine, one that
crashes. Times are made up (1 ms a call, little noise), so that tests of the gate's answers depend on no machine.

  slower=1.5            times so much longer
  noise=0.2             deviation of a launch's speed
  fact:cpu=Other        another fact in the hello
  drop=naive            a variant that is not there
  protocol=9            another version of the protocol
  plan=1e3              flops per second that are predicted
  wrong_prep, wrong_run a kernel that computes something wrong
  crash_after=N, hang_after=N, garbage_after=N   at the Nth run
  crash_launch=N        at the first run of the Nth launch, counted in the file `launches`
"""
import json
import os
import random
import signal
import subprocess
import sys
import time

split = sys.argv.index("--")
options = dict(word.partition("=")[::2] for word in sys.argv[1:split])
worker = subprocess.Popen(sys.argv[split + 1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
speed = float(options.get("slower", 1)) * (1 + random.gauss(0, float(options.get("noise", 0.001))))


def say(answer):
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def ask(line):
    worker.stdin.write(line)
    worker.stdin.flush()
    return json.loads(worker.stdout.readline())


hello = json.loads(worker.stdout.readline())
for key, value in options.items():
    if key.startswith("fact:"):
        hello["facts"][key[len("fact:"):]] = value
hello["variants"] = [row for row in hello["variants"] if row["name"] != options.get("drop")]
hello["protocol"] = int(options.get("protocol", hello["protocol"]))
say(hello)

WRONG = {"passed": False, "max_scaled_err": 1, "tolerance": 0, "rows_checked": 1, "failure": "o[b=0] is not what it should be"}
RIGHT = dict(WRONG, passed=True, failure="")
if "crash_launch" in options:
    with open("launches", "a") as launches:
        launches.write("x")
    if os.path.getsize("launches") == int(options["crash_launch"]):
        options["crash_after"] = 1
runs, measured = 0, None
for line in sys.stdin:
    words = line.split()
    if words[0] != "run":
        answer = ask(line)
        if words[0] == "plan" and "plan" in options:
            answer["flops_per_second"] = float(options["plan"])
        if words[0] == "prep" and "wrong_prep" in options:
            answer["verdict"] = WRONG
        say(answer)
        continue
    runs += 1
    if runs == int(options.get("crash_after", 0)):
        os.kill(os.getpid(), signal.SIGSEGV)
    if runs == int(options.get("hang_after", 0)):
        time.sleep(1000)
    if runs == int(options.get("garbage_after", 0)):
        print("no JSON", flush=True)
        continue
    seconds = int(words[2]) * 1e-3 * speed * (1 + random.gauss(0, 0.001))
    # The worker's own answer, with other figures.
    measured = measured or ask(f"run {words[1]} 1\n")
    say(measured | {"verdict": WRONG if "wrong_run" in options else RIGHT, "wall_seconds": seconds, "cpu_seconds": seconds,
                    "involuntary_switches": 0, "page_faults": 0})
worker.stdin.close()
worker.wait()
