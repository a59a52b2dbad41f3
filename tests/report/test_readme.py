"""The one command that writes README's plot and tables, in a small tree of its own."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from attn_report import readme, readme_peers
from attn_report.results import load
from fixtures import ROOT, document, row

BEGIN = "<!-- written by tools/report --readme from recorded runs; do not edit -->"
END = "<!-- end of what tools/report --readme writes -->"
PROBLEM = "b:1/h:12/hkv:12/q:{0}/k:{0}/d:64/dv:64/dtype:f32/mask:none"


class Tree:
    def __init__(self, folder):
        self.folder = folder
        shutil.copytree(ROOT / "tools/attn_report", folder / "tools/attn_report")
        (folder / "variants").mkdir()
        (folder / "results/here").mkdir(parents=True)
        (folder / "variants/README.md").write_text(
            "| rung | idea |\n|---|---|\n| [naive](naive.cpp) | a |\n| [second](second.cpp) | b |\n"
            f"| [third](third.avx2.cpp) | c |\n\n{BEGIN}\n{END}\nafter\n")
        (folder / "README.md").write_text(f"# Title\n{BEGIN}\nold\n{END}\n")

    def record(self, name, date, lengths=(1024,), machine="here", cpu="A CPU", more=(), **gflops):
        rows = [row(variant, PROBLEM.format(length), speed, isa="avx2", pct_peak=1.5, max_scaled_err=4e-7)
                for length in lengths for variant, speed in gflops.items()]
        made = document([*rows, *more], date=date, cpu=cpu, cpu_model="1", stepping="2", cores="3", revision="abc")
        (self.folder / "results" / machine).mkdir(exist_ok=True)
        (self.folder / "results" / machine / name).write_text(json.dumps(made))

    def call(self, option, exits=0):
        environment = {**os.environ, "PYTHONPATH": str(self.folder / "tools"), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([sys.executable, "-m", "attn_report", option], capture_output=True, text=True,
                              env=environment, cwd=self.folder, check=False)
        assert "Traceback" not in done.stderr and done.returncode == exits, done.stdout + done.stderr
        return done.stdout + done.stderr

    def lines(self, name):
        return (self.folder / name).read_text().splitlines()


@pytest.fixture
def tree(tmp_path):
    made = Tree(tmp_path)
    made.record("a.json", "2026-01-02T00:00:00+00:00", (256, 512, 768, 1024), naive=2, third=8)
    (tmp_path / "results/here/other.json").write_text('{"points": []}')
    return made


def test_the_files_are_written_from_the_run_that_they_name(tree):
    assert "+| third | 8.0 | 1.5 % | 4.0x | 4.0x | 4.0e-07 |" in tree.call("--check", exits=1)
    assert "old" in tree.lines("README.md"), "--check changes nothing"
    assert "wrote variants/README.md" in tree.call("--readme")
    ladder = tree.lines("variants/README.md")
    for line in ("| naive | 2.0 | 1.5 % | 1.0x | - | 4.0e-07 |", "| second | - | - | - | - | - |",
                 "| third | 8.0 | 1.5 % | 4.0x | 4.0x | 4.0e-07 |", "after",
                 "`h:12/q:1024/d:64`, avx2, one thread; A CPU (model 1, stepping 2, 3 cores), revision `abc`, in "
                 "[this recorded run](../results/here/a.json):"):
        assert line in ladder
    overview = tree.lines("README.md")
    assert "| `h:12/q:1024/d:64` | 2.0, 2 % | **8.0, 2 %** |" in overview
    assert any(line.endswith("(results/here/a.svg)") for line in overview)
    assert tree.call("--check") == "" and tree.call("--readme") == ""


def test_most_rungs_count_first_then_the_newest_by_its_own_date(tree):
    tree.record("b.json", "2026-01-01T00:00:00+00:00", naive=2, second=4, third=8)
    tree.record("c.json", "2026-01-03T00:00:00+00:00", naive=2, second=5, third=8)
    tree.record("d.json", "2026-01-04T00:00:00+00:00", naive=2, third=9)
    tree.call("--readme")
    assert "| second | 5.0 | 1.5 % | 2.5x | 2.5x | 4.0e-07 |" in tree.lines("variants/README.md")
    assert (tree.folder / "results/here/a.svg").exists(), "the curve is that of the only run with several lengths"


def test_the_newest_sweep_of_peers_is_a_table_with_our_fastest_named(tree):
    tree.record("2026-01-04-abc-peers.json", "2026-01-04T00:00:00+00:00", second=1, torch=1)
    tree.record("2026-01-05-abc-peers.json", "2026-01-05T00:00:00+00:00", naive=2, second=6, torch=2, blas=3)
    assert "cannot read variants/external/README.md" in tree.call("--check", exits=2)
    text = tree.folder / "variants/external/README.md"
    text.parent.mkdir()
    text.write_text("old\n")
    assert "variants/external/README.md: needs the lines '<!--" in tree.call("--check", exits=2)
    text.write_text(f"{BEGIN}\nold\n{END}\n")
    tree.call("--readme")
    lines = tree.lines("variants/external/README.md")
    assert "| problem | `best` | blas | torch | `best` over the fastest peer |" in lines
    assert any(line.startswith("`best` is our fastest variant on that problem") and "found (blas, torch)" in line
               and line.endswith("does not tell which BLAS and OpenMP each library was bound to.") for line in lines)
    assert "| `h:12/q:1024/d:64` | 6 / - (second) | 3 / - | 2 / - | 2.00x / - |" in lines and "old" not in lines


def of(variant, gflops, standing="", threads=1, isa="avx2", length=1024, **changes):
    return row(variant, PROBLEM.format(length), gflops, isa=isa, threads=threads, pct_peak=1.5, standing=standing, **changes)


def test_the_newest_run_of_any_machine_that_has_every_rung_makes_the_tables(tree):
    full = {"naive": 2, "second": 4, "third": 8}
    tree.record("old.json", "2026-02-01T00:00:00+00:00", (512, 1024), **full)
    tree.record("new.json", "2026-03-01T00:00:00+00:00", (512, 1024), machine="elsewhere", cpu="Another CPU", **full)
    tree.record("lacks_a_rung.json", "2026-04-01T00:00:00+00:00", (512, 1024), naive=2, third=7)
    tree.record("one_problem.json", "2026-05-01T00:00:00+00:00", naive=2, second=5, third=9)
    tree.record("stopped.json", "2026-06-01T00:00:00+00:00", (512, 1024), more=[of("split_kv", 1, interrupted=True)], **full)
    tree.call("--readme")
    source = "Another CPU (model 1, stepping 2, 3 cores), revision `abc`, in [this recorded run]"
    assert any(f"{source}(results/elsewhere/new.json)" in line for line in tree.lines("README.md"))
    assert any(f"{source}(../results/elsewhere/new.json)" in line for line in tree.lines("variants/README.md"))
    # The curve stays with the machine that has one.
    assert any("A CPU (model 1" in line and "(results/here/a.json)" in line for line in tree.lines("README.md"))
    assert tree.call("--check") == ""


@pytest.fixture
def record(tmp_path):
    """Rows as a recorded run, in this process."""
    def write(*rows, name="b.json", date="2026-02-01T00:00:00+00:00"):
        path = tmp_path / name
        path.write_text(json.dumps(document(rows, date=date)))
        return readme.Recorded(load(path))

    return write


def test_the_newest_sweep_of_peers_has_us_and_a_library(record):
    both = [record(of("second", 1), of("torch", 1), name=f"{day}-abc-peers.json", date=f"2026-01-0{day}T00:00:00+00:00") for day in (1, 2)]
    others = [record(of("second", 1), name="3-abc-peers.json", date="2026-01-03T00:00:00+00:00"),
              record(of("torch", 1), name="4-abc-peers.json", date="2026-01-04T00:00:00+00:00"),
              record(of("second", 1), of("torch", 1), name="quick.json", date="2026-01-05T00:00:00+00:00")]
    assert readme_peers.newest([both[1], both[0], *others]) is both[1]
    assert readme_peers.newest(others) is None


RUNGS = ["naive", "second", "third"]


def test_the_fastest_of_all_variants_is_bold_in_a_column_of_its_own_if_need_be(record):
    made = record(of("naive", 2), of("third", 8), of("split_kv", 16), of("beside", 5), of("naive", 2, length=256),
                  of("second", 4, length=256), of("blas", 9, isa="avx512", length=256))
    lines = readme.overview(made, "avx2", RUNGS).splitlines()
    assert lines[0].startswith("avx2, one thread, bold: the fastest of all 6 that the run measured; ")
    assert lines[2] == "| problem | naive | second | third | split_kv | blas, avx512 |"
    assert lines[4:] == ["| `h:12/q:1024/d:64` | 2.0, 2 % | - | 8.0, 2 % | **16.0, 2 %** | - |",
                         "| `h:12/q:256/d:64` | 2.0, 2 % | 4.0, 2 % | - | - | **9.0, 2 %** |"]


def test_who_is_level_with_the_fastest_is_bold_too_and_no_step_of_the_ladder(record):
    made = record(of("naive", 2, "behind"), of("second", 8.8, "level"), of("third", 8.4, "fastest"), of("split_kv", 8, "level"),
                  of("beside", 7, "behind"), of("blas", 99, marks={"mistrusted": "all inputs are NaN"}))
    lines = readme.overview(made, "avx2", RUNGS).splitlines()
    assert "bold: the fastest of all 5 that the run measured, and who is level with it;" in lines[0]
    assert lines[2] == "| problem | naive | second | third | split_kv |"
    assert lines[4] == "| `h:12/q:1024/d:64` | 2.0, 2 % | **8.8, 2 %** | **8.4, 2 %** | **8.0, 2 %** |"
    ladder = readme.ladder_table(made, "avx2", RUNGS).splitlines()
    assert ladder[5].startswith("| second | 8.8 | 1.5 % | 4.4x | 4.4x |")
    assert ladder[6].startswith("| third | 8.4 | 1.5 % | 4.2x | level (1.0x) |")


def test_the_table_of_peers_says_what_is_level_and_what_each_was_bound_to(record):
    made = record(of("second", 6, "level"), of("third", 5, "fastest"), of("torch", 5.5, "level", libraries="BLAS: libtorch_cpu.so; OpenMP: x|y"),
                  of("onednn", 2, "behind"), of("third", 12, "behind", 2), of("second", 13, "fastest", 2), of("torch", 10, "behind", 2))
    lines = readme_peers.peers_table(made, ROOT).splitlines()
    assert "| `h:12/q:1024/d:64` | 5 / 13 (third / second) | 2 / - | 6 / 10 | 0.91x, level / 1.30x |" in lines
    assert "| torch | `BLAS: libtorch_cpu.so; OpenMP: x\\|y` |" in lines and "| onednn | not told |" in lines
    assert any("*level*: passes that the two took in turns" in line for line in lines)


def test_a_newer_recorded_run_makes_the_files_stale(tree):
    tree.call("--readme")
    tree.record("e.json", "2026-02-01T00:00:00+00:00", (256, 512, 768, 1024), naive=2, third=8)
    assert "e.svg: is missing" in tree.call("--check", exits=1)
    assert "removed results/here/a.svg" in tree.call("--readme")
    assert tree.call("--check") == ""


@pytest.mark.parametrize("spoil, said", [
    (lambda tree: (tree.folder / "results/here/a.svg").write_text("<svg/>"), "a.svg: is another picture"),
    (lambda tree: (tree.folder / "results/here/a.svg").unlink(), "a.svg: is missing"),
    (lambda tree: tree.record("a.json", "2026-01-02T00:00:00+00:00", (256, 512, 768, 1024), naive=2, third=8.4),
     "a.svg: is another picture"),
    (lambda tree: (tree.folder / "README.md").write_text(
        (tree.folder / "README.md").read_text().replace("8.0", "9.0")), "-| `h:12/q:1024/d:64` | 2.0, 2 % | **9.0, 2 %** |"),
])
def test_what_was_changed_by_hand_is_seen(tree, spoil, said):
    tree.call("--readme")
    spoil(tree)
    assert said in tree.call("--check", exits=1)


def test_a_picture_is_the_same_bytes_every_time(tree):
    tree.call("--readme")
    before = (tree.folder / "results/here/a.svg").read_bytes()
    (tree.folder / "results/here/a.svg").unlink()
    tree.call("--readme")
    assert (tree.folder / "results/here/a.svg").read_bytes() == before


def test_what_is_missing_is_named(tree):
    (tree.folder / "results/here/a.json").unlink()
    assert "no file in results/ has rows of naive and another rung" in tree.call("--check", exits=2)
    tree.record("a.json", "2026-01-02T00:00:00+00:00", naive=2, third=8)
    assert "at 4 lengths" in tree.call("--check", exits=2)
    (tree.folder / "README.md").write_text(f"{BEGIN}\n")
    tree.record("a.json", "2026-01-02T00:00:00+00:00", (256, 512, 768, 1024), naive=2, third=8)
    assert "README.md: needs the lines" in tree.call("--check", exits=2)
    (tree.folder / "variants/README.md").write_text("nothing\n")
    assert "no table of rungs" in tree.call("--check", exits=2)
