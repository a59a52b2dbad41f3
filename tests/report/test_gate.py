"""The page that a report of attnbench gate becomes."""

import json

import pytest
from attn_report import gate
from test_page import CLIPPED, DRAWN, complaints, open_page, screenshot

FACTS = {"cpu": "A CPU", "cores": "2", "compiler": "GNU 12", "flags": "Release -O3", "revision": "aaa"}
PROBLEM = "b:1/h:8/hkv:8/q:512/k:512/d:64/dv:64/dtype:f32/mask:causal/threads:1"


def case(variant, ratio, verdict="PROVEN", bounded=True, **changes):
    rounds = [{"phase": "screen", "round": place + 1, "ratio": ratio * (1 + place / 1000)} for place in range(7)]
    if changes.get("confirmed"):
        rounds += [{"phase": "confirm", "round": place + 1, "ratio": ratio} for place in range(13)]
    return {"name": f"attention/{variant}/avx2/{PROBLEM}", "verdict": verdict, "ratio": ratio,
            "low": ratio - 0.01 if bounded else None, "high": ratio + 0.01 if bounded else None, "detectable": None,
            "confirmed": False, "same_code": False, "min_effect": 1.01, "rounds": rounds, **changes}


def document(*cases, **changes):
    whole = {"verdict": "PROVEN", "ratio": 1.0, "min_effect": 1.005, "rounds": [1.0, 1.001]}
    return {"attnbench_gate": 2, "outcome": "REGRESSED", "failure": "", "seconds": 74.2,
            "criteria": {"alpha": 0.01, "limit": 1.03, "min_effect": 1.01, "proof": 20}, "base": FACTS,
            "candidate": {**FACTS, "revision": "bbb"}, "suite": whole, "null_arm": whole, "cases": list(cases), **changes}


EXAMPLE = document(case("naive", 1.001), case("flash", 1.08, "REGRESSED", same_code=True),
                   case("lazy_max", 0.9, bounded=False, verdict="INCONCLUSIVE", confirmed=True),
                   {"name": f"attention/blocked/avx2/{PROBLEM}", "verdict": "WRONG", "failure": "candidate: o is <wrong>",
                    "confirmed": False, "same_code": False, "rounds": []})


def written(folder, content):
    path = folder / "gate.json"
    path.write_text(json.dumps(content))
    return path


def test_the_worst_comes_first_and_each_row_says_what_was_found(tmp_path):
    report = gate.load(written(tmp_path, EXAMPLE))
    assert [row["status"] for row in report.rows] == ["WRONG", "REGRESSED", "INCONCLUSIVE", "PROVEN"]
    wrong, slower, unknown, equal = report.rows
    assert wrong["note"] == "candidate: o is <wrong>" and wrong["slower"] is None
    assert (slower["slower"], slower["low"], slower["high"]) == (8, 7, 9) and "same machine code" in slower["note"]
    assert unknown["low"] is None and unknown["note"] == "measured again in full rounds"
    assert [row["rounds"] for row in report.rows] == [0, 7, 13, 7]  # what was measured again is judged by that alone
    assert equal["command"] == ("tools/gate --problem h:8/q:512/d:64/mask:causal --variants '^naive$' --isa avx2 "
                                "--threads 1")
    assert report.headline == "REGRESSED: 1 wrong, 1 regressed, 1 inconclusive, 1 proven"
    ratios, rounds = (report.figures()[key] for key in ("ratios", "rounds"))
    bars = ratios[0].panels[0].content[0]
    assert bars.values == [8, -10, 0.1] and bars.low == [7, -10, -0.9]
    assert [figure.choice.split("/")[0] for figure in rounds[:3]] == ["flash", "lazy_max", "naive"] and len(rounds) == 5
    assert [figure.panels[0].content[1].y for figure in rounds[2:4]] == [[1], [0.5]]  # what counts: of a case, of the suite
    assert rounds[0].panels[0].content[-1].y == pytest.approx([100 * (1.08 * (1 + i / 1000) - 1) for i in range(7)])


def test_a_case_that_was_never_measured_again_has_no_figure(tmp_path):
    row = gate.load(written(tmp_path, document(case("naive", 1.0, "INCONCLUSIVE", confirmed=True,
                                                    rounds=[{"phase": "screen", "round": 1, "ratio": 1.1}])))).rows[0]
    assert row["slower"] is None and row["rounds"] == 0


def test_a_suite_that_is_slower_without_a_slower_case_is_told(tmp_path):
    suite = {"verdict": "REGRESSED", "ratio": 1.0081, "min_effect": 1.005, "rounds": [1.0081]}
    assert gate.load(written(tmp_path, document(case("naive", 1.008), suite=suite))).headline == (
        "REGRESSED: 1 proven, the suite as a whole slower by 0.8 %")


def test_a_gate_that_failed_before_it_measured_is_a_page_that_says_why(report, tmp_path):
    path = written(tmp_path, document(outcome="ENVIRONMENT", failure="the base hung",
                                      suite={"verdict": "INCONCLUSIVE", "rounds": []}))
    report(path, "-o", "page.html")
    assert "ENVIRONMENT: the base hung" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("content, message", [
    ({**EXAMPLE, "attnbench_gate": 1}, "schema 1 of the gate"),
    ({"attnbench_gate": 2}, "no report of attnbench gate"),
    ({**EXAMPLE, "cases": [1]}, "no report of attnbench gate"),
    ({**EXAMPLE, "cases": [case("naive", 1, "PERHAPS")]}, "no report of attnbench gate"),
])
def test_a_file_that_is_no_report_of_the_gate_is_refused(report, tmp_path, content, message):
    assert message in report(written(tmp_path, content), exits=2).stderr


def test_a_gate_is_a_page_of_its_own(report, tmp_path):
    path = written(tmp_path, EXAMPLE)
    for others in ([path], ["--markdown"], ["--plots", "x"]):
        assert "a page of its own" in report(path, *others, exits=2).stderr


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_draws_ratios_and_rounds(report, browser, tmp_path, width):
    report(written(tmp_path, EXAMPLE), "-o", "gate.html")
    open_page(browser, tmp_path / "gate.html", width)
    screenshot(browser, f"gate-{width}")
    drawn = browser.execute_script(DRAWN)
    assert [section for section, *_ in drawn] == ["ratios", "rounds"] and all(traces for _, _, traces, _ in drawn)
    assert not browser.execute_script(CLIPPED) and not complaints(browser)
    assert "o is <wrong>" in browser.find_element("id", "table").text
