"""Files that are not what they should be: a clear message or a sensible page, never a traceback."""

import json

import pytest
from fixtures import RECORDED, document, recorded, row, write


def refused(report, tmp_path, content, message):
    path = write(tmp_path, content)
    done = report(path, exits=2)
    assert str(path) in done.stderr and message in done.stderr
    assert not (tmp_path / "report.html").exists()


def test_an_absent_file_is_named(report, tmp_path):
    assert "cannot read absent.json: No such file" in report("absent.json", exits=2).stderr
    assert "Is a directory" in report(tmp_path, exits=2).stderr


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_truncated_file_is_told_from_another_format(report, tmp_path, share):
    text = RECORDED.read_text()
    refused(report, tmp_path, text[:int(share * len(text))], "truncated")


@pytest.mark.parametrize("content, message", [
    ("", "not JSON"), ("a,b\n1,2\n", "not JSON"), ("[1, 2]", "not a result file"), ("{}", "not a result file"),
    ('{"points": []}', "not a result file"), ('{"context": [], "benchmarks": []}', "not a result file"),
    ('{"context": {"date": "x"}, "benchmarks": []}', "another Google Benchmark program"),
    ('{"context": {"attnbench_schema": "1", "x": NaN}, "benchmarks": []}', "NaN is not valid JSON"),
    ("[" * 100000, "not JSON"),
    ("\ufeff{}", "not JSON"),
])
def test_a_file_that_is_not_ours_is_refused(report, tmp_path, content, message):
    refused(report, tmp_path, content, message)


def test_bytes_that_are_no_text_are_refused(report, tmp_path):
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00\x01")
    assert "cannot read" in report("binary.json", exits=2).stderr


def test_another_schema_is_refused_with_both_numbers(report, tmp_path):
    refused(report, tmp_path, document([], attnbench_schema="2"), "schema 2; this tool reads schema 1")


@pytest.mark.parametrize("change, message", [
    ({"flops": "many"}, "flops is no number"), ({"flops": True}, "flops is no number"), ({"name": 7}, "has no name"),
    ({"real_time": "soon"}, "real_time is no time"), ({"time_unit": "days"}, "real_time is no time"),
    ({"name": "attention/flash/avx2/h:1/h:2/q:1/d:1/threads:1"}, "'h:2' is not one key:value"),
])
def test_a_row_with_nonsense_in_it_is_named(report, tmp_path, change, message):
    refused(report, tmp_path, document([{**row("flash"), **change}]), message)


def test_one_bad_file_of_two_is_named(report, tmp_path):
    path = write(tmp_path, "{}")
    assert str(path) in report(RECORDED, path, exits=2).stderr


@pytest.mark.parametrize("rows, shown", [
    ([], "no case that was measured"),
    ([row("flash")], "nothing else ran"),
    ([row("flash", error_occurred=True, error_message="wrong")], "1 failed"),
    ([{key: value for key, value in row("flash").items() if key in ("name", "flops")}], "nothing else ran"),
    ([{**row("flash"), "name": "BM_StringCopy/8"}], "nothing else ran"),
    ([{key: value for key, value in row("flash").items() if key != "flops"}], "no counter flops"),
])
def test_little_to_show_is_a_page_all_the_same(report, tmp_path, rows, shown):
    report(write(tmp_path, document(rows)), "--markdown", "-o", "page.html", "--plots", "plots")
    assert shown in (tmp_path / "page.html").read_text()


def test_without_naive_there_is_no_speedup_over_it(report, tmp_path):
    rows = [old for old in recorded()["benchmarks"] if "/naive/" not in old["name"]]
    printed = report(write(tmp_path, document(rows)), "--markdown", "-o", "page.html").stdout
    assert all(line.endswith("| - |") for line in printed.splitlines()[2:5])
    assert "There is no naive here to compare with" in (tmp_path / "page.html").read_text()


def test_a_file_without_facts_says_unknown(report, tmp_path):
    path = write(tmp_path, {"context": {"attnbench_schema": "1"}, "benchmarks": [row("flash"), row("naive", gflops=10)]})
    assert "unknown (model unknown" in report(path, "--markdown").stdout


def test_a_page_that_cannot_be_written_is_an_environment_fault(report, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot write file/page.html" in report(RECORDED, "-o", "file/page.html", exits=3).stderr


@pytest.mark.parametrize("arguments", [
    [], ["--nonsense"], ["--check", "x.json"], ["--check", "--readme"], ["x.json", "--format", "svg"],
    ["x.json", "--plots", "p", "--format", "bmp"],
])
def test_a_wrong_command_line_is_explained(report, arguments):
    assert "usage: tools/report" in report(*arguments, exits=2).stderr


def test_a_name_in_a_file_cannot_become_markup(report, tmp_path):
    evil = "<script>alert(1)</script>"
    made = document([row("flash"), {**row("x"), "name": f"attention/{evil}/avx2/h:1/q:1/d:1/threads:1"}], cpu=evil,
                    skipped=f"{evil}: </script><script>alert(2)</script>")
    report(write(tmp_path, made), "-o", "page.html")
    assert "<script>alert" not in (tmp_path / "page.html").read_text()
    json.loads((tmp_path / "page.html").read_text().split('id="cases-data">')[1].split("</script>")[0])
