"""Files that are not what they should be: a clear message or a sensible page, never a traceback."""

import json
import os

import pytest
from attn_report.errors import BadInput
from attn_report.results import load_all
from fixtures import LONG, RECORDED, document, recorded, row, texts_of, write


def refused(report, tmp_path, content, message):
    path = write(tmp_path, content)
    done = report(path, exits=2)
    assert str(path) in done.stderr and message in done.stderr
    assert not (tmp_path / "report.html").exists()


def reason_against(tmp_path, content):
    """As `refused`, without a process for each of many cases."""
    path = write(tmp_path, content)
    with pytest.raises(BadInput) as refusal:
        texts_of(path)
    assert str(path) in str(refusal.value) and len(str(refusal.value)) < 500
    return str(refusal.value)


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
    ({"flops": "many"}, "flops is 'many'; it should be a valid number"),
    ({"flops": True}, "flops is True; it should be a valid number"),
    ({"flops": None}, "flops is None; it should be a valid number"),
    ({"flops": 10**401}, "flops is 1000"),
    ({"flops": 1e300}, "flops is 1e+300; it should be less than or equal to 1e+18"),
    ({"real_time": "soon"}, "real_time is 'soon'; it should be a valid number"),
    ({"real_time": -1.0}, "real_time is -1.0; it should be greater than or equal to 0"),
    ({"time_unit": "days"}, "time_unit is 'days'; it should be 'ns', 'us', 'ms' or 's'"),
    ({"time_unit": ["us"]}, "time_unit is ['us']; it should be 'ns', 'us', 'ms' or 's'"),
    ({"error_occurred": "false"}, "error_occurred is 'false'; it should be a valid boolean"),
    ({"skipped": 1}, "skipped is 1; it should be a valid boolean"),
    ({"error_message": {}}, "error_message is {}; it should be a valid string"),
    ({"label": ["flash"]}, "label is ['flash']; it should be a valid string"),
    ({"aggregate_name": 3}, "aggregate_name is 3; it should be a valid string"),
    ({"repetitions": {"a": 1}}, "repetitions is {'a': 1}; it should be a valid integer"),
    ({"threads": 0}, "threads is 0; it should be greater than or equal to 1"),
    ({"family_index": "7"}, "family_index is '7'; it should be a valid integer"),
    ({"marks": ["unsteady"]}, "marks is ['unsteady']; it should be a valid dictionary"),
    ({"marks": {"unsteady": 14}}, "marks.unsteady is 14; it should be a valid string"),
    ({"standing": "third"}, "standing is 'third'; it should be 'fastest', 'level', 'behind' or ''"),
    ({"pct_peak": -1e300}, "pct_peak is -1e+300; it should be greater than or equal to 0"),
    ({"peak_unit": "tiles"}, "peak_unit is 'tiles'; it should be 'f32 FMA', 'bf16 dot', 'bf16 tiles' or ''"),
    ({"pct_fma_peak": "50"}, "pct_fma_peak is '50'; it should be a valid number"),
    ({"libraries": []}, "libraries is []; it should be a valid string"),
    ({"interrupted": "yes"}, "interrupted is 'yes'; it should be a valid boolean"),
    ({"name": "attention/flash/avx2/h:1/h:2/q:1/d:1/threads:1"}, "'h:2' is not one key:value"),
])
def test_a_row_with_nonsense_in_it_is_named_with_its_field(tmp_path, change, message):
    spoiled = {**row("flash"), **change}
    reason = reason_against(tmp_path, document([row("naive"), spoiled]))
    assert message in reason and spoiled["name"] in reason


@pytest.mark.parametrize("spoiled, message", [
    (7, "row 2: it is 7"), ({}, "row 2: name is missing"), ({"name": ["x"]}, "row 2: name is ['x']; it should be a valid string"),
    ({"name": ""}, "row 2: name is ''"),
])
def test_a_row_without_a_name_is_told_by_its_place(tmp_path, spoiled, message):
    assert message in reason_against(tmp_path, document([row("flash"), spoiled]))


def test_a_number_without_end_is_refused(report, tmp_path):
    text = json.dumps(document([{**row("flash"), "flops": -7}])).replace('"flops": -7', '"flops": 1e999')
    assert "1e999" in text
    refused(report, tmp_path, text, "flops is inf; it should be")
    refused(report, tmp_path, text.replace("1e999", "9" * 5000), "not JSON")


@pytest.mark.parametrize("rate", [0, 0.0, -5e9, 5e-324])
def test_a_row_without_a_rate_is_shown_as_failed_and_the_others_stay(tmp_path, rate):
    made = document([row("naive", gflops=10), {**row("flash"), "flops": rate}])
    page, printed = (text.decode() for text in texts_of(write(tmp_path, made)))
    assert "naive (avx512)" in printed and "**1 failed:**" in printed
    assert "its rate, flops, is " in printed and "its rate, flops, is " in page


@pytest.mark.parametrize("facts, message", [
    ({"fma_peak_avx512_threads_1": "1.2.3 GFLOP/s"}, "context: fma_peak_avx512_threads_1 is '1.2.3 GFLOP/s'; it should be like '285.8"),
    ({"fma_peak_avx512_threads_1": 285.8}, "context: fma_peak_avx512_threads_1 is 285.8"),
    ({"fma_peak_neon64_threads_9": "9" * 401 + " GFLOP/s"}, "context: fma_peak_neon64_threads_9 is '999"),
    ({"amx_bf16_peak_amx_threads_1": ["1 GFLOP/s"]}, "context: amx_bf16_peak_amx_threads_1 is ['1 GFLOP/s']"),
    ({"read_bandwidth_avx512_threads_1": "L1 (24 KiB): 1.2.3 GB/s"}, "context: read_bandwidth_avx512_threads_1 is 'L1 (24 KiB): 1.2.3"),
    ({"read_bandwidth_avx512_threads_1": {"L1": 7}}, "context: read_bandwidth_avx512_threads_1 is {'L1': 7}"),
    ({"ceilings": "fast"}, "context: ceilings should be a list"),
    ({"ceilings": [7]}, "context: ceilings should be a list"),
    ({"ceilings": [{"isa": "avx512", "threads": 1, "f32_fma": {"flops_per_second": "fast"}}]}, "f32_fma has no flops_per_second"),
    ({"ceilings": [{"isa": "avx512", "threads": 1, "exp2": 7}]}, "exp2 has no vectors_per_second"),
    ({"ceilings": [{"isa": "avx512", "threads": 1, "read": {"L1": 7}}]}, "read should be a list of levels"),
    ({"skipped": 7}, "context: skipped is 7; it should be a valid string"),
    ({"plugin_arguments": []}, "context: plugin_arguments is []; it should be a valid string"),
])
def test_a_fact_that_is_read_and_cannot_be_is_named(tmp_path, facts, message):
    assert message in reason_against(tmp_path, document([row("flash")], **facts))


def test_a_level_that_could_not_be_measured_is_no_fault(tmp_path):
    reads = "L1 (24 KiB): 516.7 GB/s; L3: half of a thread's 1 MiB of it is not twice its 2 MiB of the level below; memory (1 GiB): 0.0 GB/s"
    path = write(tmp_path, document([row("flash"), row("naive")], read_bandwidth_avx512_threads_1=reads))
    run, = load_all([path])
    assert run.read_bandwidths("avx512", 1) == {"L1": 516.7}
    texts_of(path, plots=True)
    texts_of(write(tmp_path, document([row("flash"), row("naive")], fma_peak_avx512_threads_1="0.0 GFLOP/s")), plots=True)


def test_ceilings_are_numbers(tmp_path):
    ceilings = [{"isa": "avx512", "threads": 1, "f32_fma": {"flops_per_second": 285.8e9, "clock_hz": 4.51e9}, "bf16_amx": None,
                 "read": [{"level": "L1", "bytes_per_second": 516.7e9}, {"level": "L3", "reason": "it is shared"}]}]
    path = write(tmp_path, document([row("flash"), row("naive")], ceilings=ceilings))
    run, = load_all([path])
    assert run.peak("avx512", 1) == 285.8 and run.peak("avx2", 1) is None and run.peak("avx512", 1, "bf16 tiles") is None
    assert run.read_bandwidths("avx512", 1) == {"L1": 516.7}
    page = texts_of(path)[0].decode()
    assert "285.8 GFLOP/s, nan FLOP/cycle per core at 4.51 GHz" in page and "L1 516.7 GB/s" in page


@pytest.mark.parametrize("value", [7, 1.5, None, True, ["a"], {"a": {}}])
def test_facts_that_are_only_shown_may_be_anything(tmp_path, value):
    keys = ("cpu", "cpu_model", "revision", "seed", "caches", "date", "compiler", "libraries", "plugins", "load_avg")
    texts_of(write(tmp_path, document([row("flash"), row("naive", gflops=9)], **dict.fromkeys(keys, value))))


@pytest.mark.parametrize("date", ["0001-01-01", "9999-12-31T23:59:59+00:00", "1", ""])
def test_a_date_that_no_clock_shows_is_an_old_one(tmp_path, date):
    runs = load_all([RECORDED, write(tmp_path, document([row("flash")], date=date))])
    assert len(runs) == 2 and (runs[0].fact("date") in (date or "unknown")) != date.startswith("9999")


EVIL = "\ud800 \x1b[2J \x00 $x^{ | \r\n"


def test_text_that_no_encoding_or_terminal_should_get_is_replaced_everywhere(report, tmp_path):
    spoiled = row("naive", gflops=9, label=EVIL, marks={"unsteady": EVIL, EVIL: EVIL}, libraries=EVIL)
    failed = row("blocked", error_occurred=True, error_message=EVIL)
    named = {**row("flash"), "name": f"attention/fl{EVIL}ash/{EVIL}/{LONG}/mode:{EVIL}/threads:1/real_time"}
    facts = dict.fromkeys(("cpu", "revision", "compiler", "date", EVIL), EVIL)
    made = document([row("flash"), named, spoiled, failed], skipped=f"{EVIL}: {EVIL}", **facts)
    printed = report(write(tmp_path, made), "--markdown", "-o", "page.html", "--plots", "plots").stdout
    page = (tmp_path / "page.html").read_bytes().decode()
    for text in (printed, page.split("<script>")[0]):
        assert not {"\x1b", "\x00", "\r"} & set(text) and "\ufffd" in text
    assert sum(line.startswith("- `attention/blocked") and "$x^{" in line for line in printed.splitlines()) == 1


def test_a_file_whose_name_is_no_text_is_read(report, tmp_path):
    name = b"a\xff\x1b.json"
    (tmp_path / os.fsdecode(name)).write_text(json.dumps(document([row("flash")])))
    report(os.fsdecode(name), "-o", "page.html")
    assert "a\ufffd\ufffd.json" in (tmp_path / "page.html").read_text()
    (tmp_path / os.fsdecode(name)).write_text("{}")
    assert "not a result file" in report(os.fsdecode(name), exits=2).stderr


@pytest.mark.parametrize("key", ["threads:\u00b2", "threads:0", "threads:" + "9" * 5000, "q:\u00b2", "q:0", "q:" + "9" * 5000])
def test_counts_that_are_none_are_kept_as_text(tmp_path, key):
    rows = [{**row("flash"), "name": f"attention/{variant}/avx2/h:1/d:64/dv:64/k:{length}/{key}"} for variant in ("naive", "flash")
            for length in (64, 128, 256)]
    path = write(tmp_path, document(rows))
    texts_of(path, plots=len(key) < 100)
    run, = load_all([path])
    assert all(key[:50] in case.name.problem for case in run.cases)


def test_an_output_that_cannot_spell_a_letter_still_gets_the_text(report, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    assert "\\ufffd" in report(write(tmp_path, document([row("flash")], cpu="\ud800")), "--markdown").stdout


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
    assert "the ladder (tools/bench --variants" in (tmp_path / "page.html").read_text()


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
