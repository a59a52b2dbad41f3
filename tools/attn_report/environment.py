"""A virtual environment of the project with what a requirements file pins. Only the standard library."""

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from .errors import EnvironmentFault

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
LEAST_PYTHON = (3, 11)
# Without a network pip is to give up soon, with a slow one at last.
PIP_OPTIONS = ["--quiet", "--disable-pip-version-check", "--no-input", "--retries", "1", "--timeout", "15"]
LONGEST_INSTALLATION_S = 600


def python_with(requirements, name):
    """The interpreter of .venv/<name>, in which exactly these requirements files are installed."""
    if sys.version_info < LEAST_PYTHON:
        least = ".".join(map(str, LEAST_PYTHON))
        raise EnvironmentFault(f"Python {least} or later is needed, this is {sys.version.split()[0]}")
    folder = ROOT / ".venv" / name
    python, stamp = folder / "bin/python", folder / "installed"
    wanted = hashlib.sha256(sys.version.encode() + b"".join(file.read_bytes() for file in requirements)).hexdigest()
    try:
        folder.parent.mkdir(exist_ok=True)
        # Tests run side by side: one of them installs, the others wait.
        with open(folder.with_suffix(".lock"), "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (stamp.is_file() and stamp.read_text() == wanted and python.exists()):
                install(requirements, folder, python)
                stamp.write_text(wanted)
    except OSError as error:
        raise EnvironmentFault(f"cannot make {folder}: {error}") from error
    return python


def install(requirements, folder, python):
    print(f"tools/report: installing {', '.join(packages(requirements))} into {folder.relative_to(ROOT)}/, "
          "once", file=sys.stderr)
    command = [sys.executable, "-m", "venv", "--clear", str(folder)]
    run(command, "no virtual environment can be made here; on Debian: apt-get install python3-venv (tools/setup does it)")
    files = [word for file in requirements for word in ("-r", str(file))]
    run([str(python), "-m", "pip", "install", *PIP_OPTIONS, *files], "pip cannot install what the report needs")


def packages(requirements):
    """What is asked for by name: the part of each requirements file above the first comment that ends it."""
    lines = [line for file in requirements for line in file.read_text().split("\n# ", 1)[0].splitlines()]
    return [line.split("==")[0] for line in lines if line and not line.startswith("#")]


def run(command, what):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_INSTALLATION_S, check=False,
                              env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"})
    except subprocess.TimeoutExpired as error:
        raise EnvironmentFault(f"{what}: still not done after {LONGEST_INSTALLATION_S} s") from error
    if done.returncode != 0:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line]
        warnings = [line for line in lines if line.startswith("WARNING")]
        # pip's errors say what is missing; that a registry was out of reach stands in a warning above them.
        said = [line for line in lines if line not in warnings][-3:] + warnings[-1:]
        raise EnvironmentFault("\n  ".join([f"{what}:", *said]))
