"""tools/report itself: its environment, and what it prints and writes besides the page."""

import os
import shutil
import subprocess
import sys
import time

import pytest
from fixtures import OTHER_MACHINE, RECORDED, ROOT, document, row, write


@pytest.fixture
def bare(tmp_path):
    """A tree that has no environment yet."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools/report", tmp_path / "tools/report")
    shutil.copytree(ROOT / "tools/attn_report", tmp_path / "tools/attn_report")
    return tmp_path


def run(folder, *arguments, **environment):
    return subprocess.run([sys.executable, folder / "tools/report", *arguments], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": "", **environment}, check=False)


def test_without_a_package_index_the_environment_is_refused_soon(bare):
    started = time.monotonic()
    # Nobody listens on port 9.
    done = run(bare, RECORDED, PIP_INDEX_URL="http://127.0.0.1:9/", PIP_CONFIG_FILE="/dev/null", PIP_FIND_LINKS="",
               PIP_EXTRA_INDEX_URL="", PIP_NO_CACHE_DIR="1")
    assert done.returncode == 3 and "pip cannot install what the report needs" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and time.monotonic() - started < 60
    assert not (bare / ".venv/report/installed").exists(), "the next call tries again"


def test_a_folder_that_cannot_be_written_is_an_environment_fault(bare):
    (bare / ".venv").write_text("a file")
    done = run(bare, "--setup")
    assert done.returncode == 3 and "cannot make" in done.stderr and "Traceback" not in done.stderr


def test_usage_needs_no_environment(bare):
    assert run(bare, "--help").returncode == 0 and not (bare / ".venv").exists()
    assert run(bare).returncode == 2 and not (bare / ".venv").exists()


def test_markdown_is_the_short_form(report):
    printed = report(RECORDED, "--markdown").stdout
    lines = printed.splitlines()
    assert lines[0].startswith("| problem family | threads | fastest correct variant |")
    assert any("split_kv (avx512)" in line and "read bandwidth" in line for line in lines)
    assert "revision 7c03b8e15fc4" in lines[-1] and len(lines) < 12
    assert "### AMD EPYC" in report(RECORDED, OTHER_MACHINE, "--markdown").stdout


def test_failures_are_in_the_short_form(report, tmp_path):
    failed = [row(f"idea_{index}", error_occurred=True, error_message="wrong") for index in range(7)]
    printed = report(write(tmp_path, document([row("flash"), *failed])), "--markdown").stdout
    assert "**7 failed:**" in printed and "and 2 more" in printed


@pytest.mark.parametrize("file_format, magic", [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_plots_are_written_as_files(report, tmp_path, file_format, magic):
    report(RECORDED, OTHER_MACHINE, "--plots", "plots", "--format", file_format)
    names = sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert names == sorted(f"{key}.{file_format}" for key in
                           ("heatmap", "roofline", "ladder", "accuracy", "runs"))
    assert all((tmp_path / "plots" / name).read_bytes().startswith(magic) for name in names)
    assert not (tmp_path / "report.html").exists()
    if file_format == "svg":
        assert b"AMD EPYC (model 2" in (tmp_path / "plots/ladder.svg").read_bytes()
