"""What the plots and the answer at the top say, in numbers that can be worked out by hand."""

import math

import plotly.graph_objects
import pytest
from attn_report import cases, disturbed, interval, markdown, marks, page, results, styles, units, verdict
from attn_report import ladder as rungs
from attn_report.frame import frame_of
from attn_report.plots import SECTIONS, accuracy, figures_of, heatmap, ladder, peers, roofline, runs, seqlen, threads
from attn_report.problem import parse_row_name
from attn_report.to_plotly import plotly_of
from fixtures import LONG, OTHER_MACHINE, RECORDED, document, recorded, repeated, rich, row, texts_of, write


@pytest.fixture
def load(tmp_path):
    def read(*documents):
        loaded = results.load_all([write(tmp_path, made, f"{index}.json") for index, made in enumerate(documents)])
        return loaded, frame_of(loaded)

    return read


def top(loaded, frame):
    """What the page says before and beside its plots."""
    return page.head_html(loaded) + page.answer_html(loaded, frame)


def first(section, loaded, frame):
    return figures_of(section, loaded, frame)[0]


def items(figure, panel=0):
    return {item.variant: item for item in figure.panels[panel].content if hasattr(item, "variant")}


@pytest.mark.parametrize("name, expected", [
    ("attention/flash/avx2/b:1/h:8/hkv:8/q:64/k:64/d:32/dv:32/dtype:f32/mask:none/threads:2/real_time",
     ("attention", "flash", "avx2", "h:8/q:64/d:32", 2)),
    ("attention/torch/avx2/h:8/hkv:2/q:64/d:32/cache:cold/threads:1/manual_time/repeats:5_median",
     ("attention", "torch", "avx2", "h:8/hkv:2/q:64/d:32/cache:cold", 1)),
    ("attention/flash_backward/amx/h:8/q:64/d:32/pass:bwd/threads:1/real_time_cv",
     ("attention", "flash_backward", "amx", "h:8/q:64/d:32/pass:bwd", 1)),
    ("layer/per_head/flash/avx512/b:1/h:8/q:64/k:64/d:32/mask:causal/pass:both/threads:1/real_time",
     ("layer", "per_head/flash", "avx512", "h:8/q:64/d:32/mask:causal/pass:both", 1)),
    ("layer/mha/flash/b:2/h:8/q:64/d:32/new_key:7/threads:4/real_time",
     ("layer", "mha/flash", "-", "b:2/h:8/q:64/d:32/new_key:7", 4)),
    ("BM_copy", ("row", "BM_copy", "-", "", 1)),
])
def test_a_row_name_is_read_whatever_comes_with_it(name, expected):
    parsed = parse_row_name(name)
    assert (parsed.kind, parsed.variant, parsed.isa, parsed.problem, parsed.threads) == expected


def test_the_interval_of_a_median_is_made_of_order_statistics():
    assert interval.of_median([3, 1, 2]) == (1, 3, interval.RANGE)
    assert interval.of_median([1, 2, 3, 4, 5])[2] == interval.RANGE  # 1 - 2/32 is below 95 %
    assert interval.of_median(range(6)) == (0, 5, interval.OF_MEDIAN)  # 1 - 2/64 is above
    assert interval.of_median(range(9)) == (1, 7, interval.OF_MEDIAN)  # 1 - 2 (1 + 9)/512 = 96.1 %
    assert interval.of_median(range(20))[:2] == (5, 14)  # as in the tables: 6th and 15th
    assert interval.middle([4, 1, 3, 2], key=lambda value: value) == 2


def test_cases_of_an_interleaved_run_stand_in_the_order_of_the_sweep(load):
    names = ["naive", "flash", "blocked"]
    rows = [row(name, family_index=index) for index, name in enumerate(names)]
    loaded, _ = load(document(rows[::-1]))
    assert [case.name.variant for case in loaded[0].cases] == names


def test_repetitions_become_a_median_with_an_interval(load):
    loaded, frame = load(document(repeated([row("flash", gflops=100)], 7)))
    case, = loaded[0].measured()
    assert case.repetitions == 7 and case.low < case.gflops < case.high and 98 <= case.low and case.high <= 102
    only = [made for made in repeated([row("flash", gflops=100)], 7) if made["run_type"] == "aggregate"]
    case, = load(document(only))[0][0].measured()
    assert case.repetitions == 7 and 98 < case.gflops < 102 and math.isnan(case.low)


def passes(variant, *timed, **changes):
    """A row per pass of (milliseconds, % of peak): the rate is 100 GFLOP a second times a millisecond over the time."""
    return [{**row(variant, **changes), "flops": 100e9 / ms, "real_time": ms, "time_unit": "ms", "pct_peak": share,
             "repetitions": len(timed), "repetition_index": index} for index, (ms, share) in enumerate(timed)]


@pytest.mark.parametrize("timed, shown", [
    # Medians of each column alone would be 50 GFLOP/s at 49 %, which no pass had.
    ([(1, 30), (2, 64), (4, 49)], (2, 64)),
    ([(4, 49), (2, 64), (1, 30)], (2, 64)),
    ([(1, 80), (2, 64), (4, 49), (5, 10)], (2, 64)),  # of four the lower middle
    ([(3, 55)], (3, 55)),
])
def test_rate_time_and_share_are_those_of_the_pass_of_median_time(load, timed, shown):
    case, = load(document(passes("flash", *timed)))[0][0].measured()
    ms, share = shown
    assert (case.gflops, case.time_us, case.pct_peak) == (pytest.approx(100 / ms), 1000 * ms, share)
    if len(timed) > 1:
        assert case.low <= case.gflops <= case.high


def test_the_share_of_bandwidth_is_of_the_same_pass_too(load):
    rows = [{**made, "pct_bandwidth": made["pct_peak"], "bandwidth": made["flops"]} for made in passes("flash", (1, 30), (2, 64), (4, 49))]
    case, = load(document(rows))[0][0].measured()
    assert (case.pct_bandwidth, case.bandwidth) == (64, 50e9)


def test_a_disturbed_row_is_one_whose_rate_is_well_under_share_times_peak(load):
    # The recorded peak is 285.8 GFLOP/s: at 50 % of it a row should have 142.9.
    rows = [row(f"idea_{index}", gflops=142.9 * ratio, pct_peak=50.0) for index, ratio in enumerate((0.62, 1.0, 0.78, 0.801, 1.2))]
    rows.append(row("elsewhere", gflops=1, isa="neon64", pct_peak=50.0))  # its peak is not in the file
    loaded, frame = load(document(rows))
    line = "disturbed: rates reached 62 to 78 % of share x peak in 2 of 5 rows; repeat the run on a quieter machine"
    assert disturbed.line(loaded[0]) == line
    assert line in top(loaded, frame) and f"**{line}**" in markdown.short_form(loaded, frame)
    assert "reached 62 % of" in disturbed.line(load(document(rows[:2]))[0][0])


def test_a_quiet_run_is_not_called_disturbed(load):
    loaded, frame = load(recorded())
    assert disturbed.line(loaded[0]) == "" and len(disturbed.ratios(loaded[0])) == 80
    assert "disturbed" not in top(loaded, frame) + markdown.short_form(loaded, frame)


def marked():
    wild = row("flash", marks={"unsteady": "passes from 66 to 92 GFLOP/s"})
    return document([row("naive", gflops=10), wild, row("lazy_max", marks={"oversubscribed": "2 threads on 1 core", "later": "?"}),
                     row("blas", gflops=999, marks={"mistrusted": "all inputs are NaN"}),
                     {**row("vectorized", gflops=20, marks={"suspect_threads": "1.0 of 2"}), "interrupted": True}])


def test_marks_are_words_in_the_table_and_counted_with_reasons_above_it(load):
    loaded, frame = load(marked())
    rows = {made["variant"]: made for made in cases.rows_of(loaded, frame)}
    assert {name: made["marks"] for name, made in rows.items()} == {
        "naive": "", "flash": "unsteady", "lazy_max": "oversubscribed, later", "blas": "mistrusted",
        "vectorized": "suspect threads, interrupted"}
    assert rows["flash"]["reasons"] == "unsteady: passes from 66 to 92 GFLOP/s" in rows["flash"]["note"]
    assert [(summary.mark, summary.rows) for summary in marks.summaries(loaded[0])] == [
        ("unsteady", 1), ("mistrusted", 1), ("oversubscribed", 1), ("suspect_threads", 1), ("interrupted", 1), ("later", 1)]
    head, printed = top(loaded, frame), markdown.short_form(loaded, frame)
    for text in (head, printed):
        assert "4 of 5 rows are marked" in text and "unsteady: 1 (passes or slices disagree by more than 10 %)" in text
    assert "passes from 66 to 92 GFLOP/s" in head
    assert "marked" not in top(*load(recorded()))


def test_a_row_whose_check_was_no_check_leads_nothing(load):
    _, frame = load(marked())
    assert verdict.verdicts(frame)[0].winner in ("flash", "lazy_max")
    only = {**row("flash"), "marks": {"mistrusted": "all inputs are NaN"}}
    loaded, frame = load(document([only]))
    assert verdict.verdicts(frame) == [] and "no case that was measured and correct" in top(loaded, frame)


def contest(*problems):
    """A document of problems, each {variant: (GFLOP/s, standing)}."""
    return document([row(variant, LONG.replace("1024", str(1024 + place)), gflops, standing=standing)
                     for place, problem in enumerate(problems) for variant, (gflops, standing) in problem.items()])


LEADS = {"flash": (120, "fastest"), "lazy_max": (100, "behind")}
LEVEL = {"flash": (120, "fastest"), "lazy_max": (100, "level")}
LOSES = {"flash": (119, "behind"), "lazy_max": (120, "fastest")}


@pytest.mark.parametrize("problems, text, fastest_on", [
    ([LEADS], "1.20x over lazy_max", "1 of 1"),
    ([LEVEL], "level with lazy_max (1.20x)", "1 of 1"),
    # Its median is lower, but it is the one whose passes lead.
    ([{"flash": (99, "fastest"), "lazy_max": (100, "level")}], "level with lazy_max (0.99x)", "1 of 1"),
    ([LEADS, LEADS, LEVEL], "1.20x over lazy_max", "3 of 3"),
    ([LEADS, LEVEL], "level with lazy_max (1.20x), ahead on 1 of 2", "2 of 2"),
    ([LEADS, LEADS, LOSES], "ahead of lazy_max on 2 of 3, behind on 1 (1.13x)", "2 of 3"),
    ([LEADS, {"flash": (100, "level"), "lazy_max": (101, "fastest")}, LEADS], "1.13x over lazy_max", "2 of 3, level on 1"),
    ([{"flash": (100, "behind"), "lazy_max": (90, "behind"), "blas": (120, "fastest")}, LEADS, LEADS],
     "1.17x over lazy_max", "2 of 3"),
])
def test_a_lead_is_claimed_only_where_paired_passes_support_it(load, problems, text, fastest_on):
    loaded, frame = load(contest(*problems))
    judged, = verdict.verdicts(frame)
    assert judged.winner == "flash" and verdict.lead_text(judged) == text
    assert verdict.wins_text(judged) == fastest_on
    assert text in top(loaded, frame) and text in markdown.short_form(loaded, frame)
    assert ("took in turns" in top(loaded, frame)) == judged.level


def test_a_share_says_what_unit_it_is_of(load):
    of_tiles = LONG.replace("dtype:f32", "dtype:bf16")
    loaded, frame = load(document([row("amx_overlap", of_tiles, isa="amx"), row("naive", of_tiles, isa="avx512", gflops=10)]))
    assert verdict.verdicts(frame)[0].ceiling == "peak of bf16 tiles" and "peak of bf16 tiles" in top(loaded, frame)
    assert verdict.verdicts(load(document([row("flash")]))[1])[0].ceiling == "FMA peak"


# An ISA whose bf16 has two units of its own, the first as fast as the FMA, and rows of it as the program writes them.
HALF = LONG.replace("dtype:f32", "dtype:bf16")
TWO_PEAKS = [{"isa": "amx", "threads": 1, "f32_fma": {"flops_per_second": 200e9}, "bf16_dot": {"flops_per_second": 210e9},
              "bf16_amx": {"flops_per_second": 1600e9}, "read": [{"level": "L1", "bytes_per_second": 500e9}]}]


def of_two_peaks():
    tiles = {"pct_peak": 50.0, "pct_fma_peak": 400.0, "peak_unit": "bf16 tiles"}
    return [row("amx_overlap", HALF, 800, "amx", **tiles), row("flash", HALF, 100, "amx", pct_peak=50.0, pct_fma_peak=50.0, peak_unit="f32 FMA"),
            row("amx_serial", HALF, 400, "amx", **{**tiles, "pct_peak": 25.0, "pct_fma_peak": 200.0})]


def test_a_row_carries_its_unit_and_the_share_of_the_fma_beside_it(load):
    loaded, frame = load(document(of_two_peaks(), ceilings=TWO_PEAKS))
    tiled, plain, _ = loaded[0].measured()
    assert (tiled.peak_unit, tiled.pct_peak, tiled.pct_fma_peak) == ("bf16 tiles", 50, 400)
    assert loaded[0].peak("amx", 1, tiled.peak_unit) == 1600 and loaded[0].peak("amx", 1) == 200
    told, of_fma, _ = cases.rows_of(loaded, frame)
    assert "ceiling: peak of bf16 tiles; 400 % of the FMA peak" in told["note"] and "50.0 % of the peak of bf16 tiles" in told["hover"]
    assert "ceiling" not in of_fma["note"] and "50.0 % of the FMA peak" in of_fma["hover"]
    assert results.name_of_peak(frame) == "peak of their units"
    assert disturbed.ratios(loaded[0]) == pytest.approx([1, 1, 1])  # each by the peak of its own unit


def test_a_row_from_before_units_were_named_is_of_the_tiles_on_amx_in_bf16_alone(load):
    rows = [row("a", HALF, isa="amx"), row("b", HALF, isa="avx512"), row("c", LONG, isa="amx"),
            row("d", HALF.replace("bf16", "f16"), isa="amx")]
    assert [case.peak_unit for case in load(document(rows))[0][0].measured()] == ["bf16 tiles", "f32 FMA", "f32 FMA", "f32 FMA"]
    rows[0]["peak_unit"] = "bf16 dot"
    assert load(document(rows))[0][0].measured()[0].peak_unit == "bf16 dot"


def test_the_roofline_has_a_roof_for_each_unit_that_is_faster_than_the_fma(load):
    loaded, frame = load(document(of_two_peaks(), ceilings=TWO_PEAKS))
    drawn = [figure for figure in roofline.figures(loaded, frame) if "Roofline: amx" in figure.title]
    roofs = [item.text for item in drawn[0].panels[0].content if "peak" in getattr(item, "text", "")]
    assert roofs == ["FMA peak 200 GFLOP/s", "peak of bf16 tiles 1600 GFLOP/s"]
    best = next(figure for figure in roofline.figures(loaded, frame) if "best" in figure.title)
    assert any("50 % of the peak of bf16 tiles" in text for bars in best.panels[0].content for text in getattr(bars, "texts", []))


def test_two_copies_of_one_variant_are_given_no_lead_however_far_their_intervals(load):
    rows = repeated([row("flash", gflops=120, standing="fastest"), row("flash_copy", gflops=100, standing="level")], 11, spread=0.001)
    _, frame = load(document(rows))
    assert verdict.lead_text(verdict.verdicts(frame)[0]) == "level with flash_copy (1.20x)"


def test_plots_do_not_tell_apart_what_is_level(load):
    rows = [row("naive", gflops=10, standing="behind"), row("lazy_max", gflops=98, standing="level"),
            row("flash", gflops=100, standing="fastest"), row("torch", gflops=97, standing="level"),
            row("blas", gflops=20, standing="behind")]
    loaded, frame = load(document(rows))
    bars = first(ladder, loaded, frame).panels[0].content[0]
    texts = dict(zip(bars.variants, bars.texts))
    assert texts["flash"].startswith("10.0x (level)") and texts["lazy_max"].startswith("9.8x (9.80x)")
    heat = first(heatmap, loaded, frame).panels[0].content[0]
    speeds = [text.split("\n")[0] for text in heat.texts[0]]
    assert dict(zip(heat.columns, speeds)) == {"naive": "10.0", "lazy_max": "98.0 =", "flash": "100 =", "torch": "97.0 =", "blas": "20.0"}
    assert heat.bold == [[False, True, True, False, True]]  # alike, whichever is called the fastest
    standings = {made["variant"]: (made["standing"], made["front"]) for made in cases.rows_of(loaded, frame)}
    assert standings["flash"] == standings["torch"] == ("= fastest", True) and standings["blas"] == ("behind", False)
    ticks = first(peers, loaded, frame).panels[0].y.ticks
    assert ticks == [(0, "h:12/q:1024/d:64\nlevel: torch")]
    assert "level with the fastest" in [made["hover"] for made in cases.rows_of(loaded, frame) if made["variant"] == "torch"][0]


def test_our_fastest_is_the_one_whose_passes_lead(load):
    loaded, frame = load(document([row("flash", gflops=99, standing="fastest"), row("lazy_max", gflops=100, standing="level"),
                                   row("blas", gflops=50, standing="behind")]))
    assert items(first(peers, loaded, frame))["blas"].x == [1.98]


def test_a_library_tells_what_it_is_bound_to(load):
    loaded, frame = load(document([row("torch", libraries="BLAS: libtorch_cpu.so; OpenMP: libgomp.so.1")]))
    assert "bound to BLAS: libtorch_cpu.so; OpenMP: libgomp.so.1" in cases.rows_of(loaded, frame)[0]["note"]


def test_files_of_one_run_are_joined_and_others_are_not(load):
    one, other = document([row("flash")]), document([row("naive", gflops=10)])
    assert len(load(one, other)[0]) == 1
    assert len(load(one, one)[0]) == 2  # the same case again: another measurement
    assert len(load(one, document([row("naive")], revision="ffff"))[0]) == 2
    assert len(results.load_all([RECORDED, RECORDED])) == 1


def test_the_verdict_names_the_fastest_its_lead_and_its_ceiling(load):
    short = LONG.replace("1024", "128")
    _, frame = load(document([
        row("naive", gflops=10), row("flash", gflops=100, pct_peak=50.0), row("lazy_max", gflops=80),
        row("naive", short, 10), row("flash", short, 90, pct_peak=40.0), row("lazy_max", short, 180)]))
    judged, = verdict.verdicts(frame)
    assert (judged.winner, judged.runner_up, judged.wins, judged.problems) == ("lazy_max", "flash", 1, 2)
    assert judged.lead == pytest.approx(math.sqrt(80 * 180 / (100 * 90)))
    assert judged.over_naive == pytest.approx(math.sqrt(8 * 18))
    assert "1.26x over flash" in verdict.lead_text(judged)


def test_a_failed_kernel_never_wins(load):
    _, frame = load(document([row("naive", gflops=10),
                              row("flash", gflops=900, error_occurred=True, error_message="wrong")]))
    assert verdict.verdicts(frame)[0].winner == "naive"


def test_a_variant_of_fewer_problems_does_not_beat_one_of_all(load):
    short = LONG.replace("1024", "128")
    _, frame = load(document([row("flash", gflops=100), row("flash", short, 100), row("blas", short, 999)]))
    judged, = verdict.verdicts(frame)
    assert (judged.winner, judged.wins) == ("flash", 1)


def test_a_library_that_lacks_one_shape_is_still_seen_to_win(load):
    lengths = [LONG.replace("1024", str(length)) for length in (64, 128, 256)]
    _, frame = load(document([row("flash", problem, 100) for problem in lengths]
                             + [row("torch", problem, 125) for problem in lengths[:2]]))
    judged, = verdict.verdicts(frame)
    assert (judged.winner, judged.wins, judged.problems, judged.lead) == ("torch", 2, 3, pytest.approx(1.25))


@pytest.mark.parametrize("rows, level", [
    ([row("flash", gflops=102), row("lazy_max", gflops=100)], True),
    ([row("flash", gflops=110), row("lazy_max", gflops=100)], False),
    (repeated([row("flash", gflops=110), row("lazy_max", gflops=100)], 7, spread=0.2), True),
    (repeated([row("flash", gflops=102), row("lazy_max", gflops=100)], 7, spread=0.001), False),
])
def test_a_lead_within_the_noise_is_called_level(load, rows, level):
    assert verdict.verdicts(load(document(rows))[1])[0].level == level


def test_decode_is_measured_against_bandwidth(load):
    decode = "b:1/h:8/hkv:8/q:1/k:4096/d:64/dv:64/dtype:f32/mask:none"
    _, frame = load(document([row("split_kv", decode, 50, pct_bandwidth=70.0), row("flash", decode, 10)]))
    assert "70 % of read bandwidth" in verdict.share_text(verdict.verdicts(frame)[0])


def test_what_binds_a_case_is_a_column(load):
    loaded, frame = load(document([row("flash", gflops=100, binds="L3 read", pct_roof=91.26), row("naive", gflops=9)]))
    shown = {made["variant"]: made for made in cases.rows_of(loaded, frame)}
    assert (shown["flash"]["binds"], shown["naive"]["binds"]) == ("L3 read 91.3 %", "")
    assert "bound by L3 read 91.3 %" in shown["flash"]["hover"]


def test_a_curve_has_one_shape_and_its_lengths(load):
    rows = [row(variant, LONG.replace("1024", str(length)), 10 + length / 100)
            for length in (64, 256, 1024, 4096) for variant in ("naive", "flash")]
    rows.append(row("flash", LONG.replace("1024", "512").replace("h:12/hkv:12", "h:3/hkv:3")))
    loaded, frame = load(document(rows, caches="L1 32 KiB, L2 1 MiB, L3 32 MiB"))
    figure = first(seqlen, loaded, frame)
    assert items(figure)["flash"].x == [64, 256, 1024, 4096]
    title, factor = figure.panels[0].right
    assert factor == pytest.approx(100 / loaded[0].peak("avx512", 1))
    # K and V of one head: 64 + 64 floats a key. L1 holds those of 64 keys, L2 of 2048; L3's mark is off the plot.
    marks = {item.text: item.x[0] for item in figure.panels[0].content if getattr(item, "x", 0) and not hasattr(item, "ids")}
    assert marks == {"K, V = L1": 64, "K, V = L2": 2048}


def test_speedups_are_over_naive_on_one_thread_of_the_same_isa(load):
    loaded, frame = load(document([
        row("naive", gflops=10), row("naive", gflops=4, isa="avx2"), row("flash", gflops=100),
        row("flash", gflops=60, isa="avx2"), row("flash", gflops=190, threads=2), row("online_softmax", gflops=50, threads=2)]))
    found = {figure.title: figure.panels[0].content[0] for figure in figures_of(ladder, loaded, frame)}
    by_isa = {title: dict(zip(bars.variants, bars.values)) for title, bars in found.items()}
    assert by_isa["Speedup over naive: h:12/q:1024/d:64, avx512, 1 thread"] == {"naive": 1, "flash": 10}
    assert by_isa["Speedup over naive: h:12/q:1024/d:64, avx2, 1 thread"] == {"naive": 1, "flash": 15}
    assert by_isa["Speedup over naive: h:12/q:1024/d:64, avx512, 2 threads"] == {"flash": 19, "online_softmax": 5}


def test_backward_passes_are_measured_by_their_own_naive(load):
    backward = LONG + "/pass:bwd"
    loaded, frame = load(document([row("naive", gflops=10), row("naive_backward", backward, gflops=4),
                                   row("flash_backward", backward, gflops=100)]))
    bars = first(ladder, loaded, frame).panels[0].content[0]
    assert dict(zip(bars.variants, bars.values)) == {"naive_backward": 1, "flash_backward": 25}
    assert [judged.over_naive for judged in verdict.verdicts(frame) if "backward" in judged.family] == [pytest.approx(25)]


def test_a_row_of_a_layer_tells_its_parts_and_how_to_repeat_it(load):
    layer = {**row("x", projections_seconds=2e-3, core_seconds=4.1e-4),
             "name": "layer/single/flash/avx512/h:1/q:256/d:64/mask:causal/dmodel:384/threads:2/real_time"}
    unknown = {**row("x"), "name": f"layer/mha/flash/{LONG}/threads:1/real_time"}
    loaded, frame = load(document([layer, unknown]))
    known, other = cases.rows_of(loaded, frame)
    assert known["note"] == "µs a call: projections 2000, core 410"
    assert known["problem"] == "layer: h:1/q:256/d:64/mask:causal/dmodel:384"
    assert known["command"].startswith("attnbench run --problem h:1/q:256/d:64/mask:causal/dmodel:384/layer:single "
                                       "--variants flash --isa avx512 --threads 2 --seed ")
    assert other["command"] == ""


def test_a_layer_is_not_compared_with_the_naive_kernel(load):
    layer = {**row("x"), "name": f"layer/mha/flash/{LONG}/threads:1/real_time"}
    other = {**row("x"), "name": f"layer/mha/blas/{LONG}/threads:1/real_time"}
    loaded, frame = load(document([row("naive", gflops=10), layer, other]))
    assert figures_of(ladder, loaded, frame) == []
    assert [judged.over_naive for judged in verdict.verdicts(frame) if "layer" in judged.family] == [pytest.approx(
        math.nan, nan_ok=True)]


def test_the_ladder_has_rungs_alone_in_their_order(load):
    loaded, frame = load(document([row(variant, gflops=10) for variant in
                                   ("torch", "split_kv", "flash", "blocked", "blas", "naive", "my_idea")]))
    assert first(ladder, loaded, frame).panels[0].content[0].variants == ["naive", "blocked", "flash"]
    assert figures_of(ladder, *load(document([row("naive", gflops=10), row("torch"), row("split_kv")]))) == []


def test_what_is_a_rung_stands_in_the_text_of_the_ladder():
    assert rungs.all_rungs()[:9] == rungs.rungs() and "split_kv" not in rungs.all_rungs()
    assert {"amx_overlap", "flash_backward"} < set(rungs.all_rungs())
    text = "| [a](a.cpp) | idea |\n\nBeside it stands [b](b.cpp).\n\nThere are two rungs: [c](c.amx.cpp), [d](d.cpp)."
    assert rungs.all_rungs(text) == ["a", "c", "d"]


def test_libraries_are_compared_with_our_fastest(load):
    loaded, frame = load(document([
        row("naive", gflops=10), row("flash", gflops=100), row("torch", gflops=50, isa="avx2"),
        row("torch", gflops=80), row("blas", gflops=200)]))
    series = items(first(peers, loaded, frame))
    assert series["torch"].x == [1.25] and series["blas"].x == [0.5]


def test_the_roofline_has_the_measured_roofs_and_every_case(load):
    loaded, frame = load(recorded())
    figure = figures_of(roofline, loaded, frame)[1]
    roofs = [item.text for item in figure.panels[0].content if not hasattr(item, "ids")]
    assert roofs[0] == "FMA peak 286 GFLOP/s" and [text.split()[0] for text in roofs[1:]] == ["L1", "L2", "L3", "memory"]
    assert sum(len(series.x) for series in items(figure).values()) == 80
    # 4 d FLOP for each of q k pairs, 4 bytes for each element of q, k, v and o: q / 4.
    assert max(items(figure)["flash"].x) == pytest.approx(256, rel=1e-3)


def test_the_best_of_each_problem_stands_against_its_own_roof(load):
    decode = "b:1/h:8/hkv:8/q:1/k:4096/d:64/dv:64/dtype:f32/mask:none"
    loaded, frame = load(document([
        row("naive", gflops=10, pct_peak=4.0), row("flash", gflops=99, pct_peak=40.0, standing="fastest"),
        row("lazy_max", gflops=100, pct_peak=41.0, standing="level"), row("blas", gflops=999, marks={"mistrusted": "?"}, pct_peak=90.0),
        row("split_kv", decode, 50, pct_bandwidth=70.0, model="Llama 3 8B")]))
    bars = first(roofline, loaded, frame).panels[0].content[0]
    assert (bars.variants, bars.values) == (["flash", "split_kv"], [40, 70])
    assert bars.labels == ["h:12/q:1024/d:64", "Llama 3 8B\nh:8/q:1/k:4096/d:64"]
    assert bars.texts == ["flash  40 %, 99.0 GFLOP/s, avx512", "split_kv  70 % of read bandwidth, 50.0 GFLOP/s, avx512"]


def test_roofs_that_lie_on_one_another_have_one_label():
    assert roofline.labelled({"L1": 289.0, "L2": 173.0, "L3": 13.9, "memory": 13.8}) == [
        ("L1 289 GB/s", 289.0), ("L2 173 GB/s", 173.0), ("L3, memory 14 GB/s", 13.9), ("", 13.8)]


def test_fewer_than_four_lengths_are_no_curve(load):
    lengths = [LONG.replace("1024", str(length)) for length in (64, 128, 256, 512)]
    assert figures_of(seqlen, *load(document([row("flash", length) for length in lengths[:3]]))) == []
    assert len(figures_of(seqlen, *load(document([row("flash", length) for length in lengths])))) == 1


def test_errors_that_are_alike_are_a_sentence_and_others_a_plot(load):
    cold = LONG + "/cache:cold"
    alike = [row("naive", max_scaled_err=3e-7, tolerance=2e-6), row("flash", max_scaled_err=6e-7, tolerance=2e-6)]
    apart = [row("naive", cold, max_scaled_err=3e-7), row("flash", cold, max_scaled_err=3e-6)]
    loaded, frame = load(document(alike))
    assert figures_of(accuracy, loaded, frame) == []
    words = ("On the only problem the errors of all variants are alike: within a factor of 2.0, from 3.0e-07 to 6.0e-07, at most 30 % of "
             "what the check allows.")
    assert accuracy.in_words(frame) == words and words in page.page_of(loaded, frame)
    loaded, frame = load(document(alike + apart))
    assert [figure.choice for figure in figures_of(accuracy, loaded, frame)] == ["h:12/q:1024/d:64/cache:cold, avx512, 1 thread"]
    assert accuracy.in_words(frame) == words
    assert accuracy.in_words(load(document(apart))[1]) == ""


def test_a_model_names_its_shape_in_plots_and_table_and_older_files_have_none(load):
    loaded, frame = load(document([row("naive", gflops=10, model="GPT-2 small"), row("flash", model="GPT-2 small"),
                                   row("naive", LONG + "/cache:cold", gflops=10), row("flash", LONG + "/cache:cold")]))
    assert first(heatmap, loaded, frame).panels[0].content[0].rows == ["GPT-2 small\nh:12/q:1024/d:64", "h:12/q:1024/d:64/cache:cold"]
    assert [made["model"] for made in cases.rows_of(loaded, frame)] == ["GPT-2 small"] * 2 + [""] * 2


def test_the_table_opens_by_problem_with_the_fastest_first_and_what_was_skipped_last(load):
    cold = LONG + "/cache:cold"
    rows = [row("naive", gflops=10), row("naive", cold, gflops=5), row("flash", gflops=100), row("flash", cold, gflops=50),
            row("mine", error_occurred=True, error_message="wrong")]
    made = cases.rows_of(*load(document(rows, skipped=f"attention/x/avx512/{LONG}/threads:1: no x")))
    assert [(made[place]["variant"], "cold" in made[place]["problem"]) for place in cases.opening_order(made)] == [
        ("flash", False), ("naive", False), ("mine", False), ("flash", True), ("naive", True), ("x", False)]
    assert [one["front"] for one in made] == [False, False, True, True, False, False]


@pytest.mark.parametrize("us, text", [(0.5, "0.500 µs"), (9.996, "10.0 µs"), (896.4, "896 µs"), (999.6, "1.00 ms"), (21540, "21.5 ms"),
                                      (4440123, "4440 ms"), (math.nan, "")])
def test_times_have_three_digits_and_a_unit(us, text):
    assert units.time(us) == text


def test_tokens_are_queries_over_the_time_of_a_call_of_attention_alone(load):
    batch = LONG.replace("b:1", "b:2")
    rows = [row("flash", batch, real_time=20.0, time_unit="ms"), row("flash_backward", LONG + "/pass:bwd"),
            {**row("x"), "name": f"layer/mha/flash/{LONG}/threads:1/real_time"}]
    made = cases.rows_of(*load(document(rows)))
    assert [one["tokens"] for one in made] == [102400, None, None] and made[0]["shown"]["tokens"] == "102 k"
    assert "102 k tokens/s, attention only" in made[0]["hover"] and "20.0 ms a call" in made[0]["hover"]


def test_a_row_has_its_passes_in_the_order_of_time(load):
    made, = cases.rows_of(*load(document(passes("flash", (4, 49), (1, 30), (2, 64))[::-1])))
    assert made["passes"] == [25, 100, 50] and made["interval"] == "25.00-100.0"
    assert "passes" not in cases.rows_of(*load(document([row("flash")])))[0]


def test_the_machine_is_named_once_and_what_has_no_data_in_one_line_at_the_end(load):
    loaded, frame = load(document([row("naive", gflops=10), row("flash")]))
    text = page.page_of(loaded, frame)
    assert text.count(loaded[0].provenance()) == 1
    seen = text[:text.index("<script")]
    assert seen.index('id="heatmap"') < seen.index('id="answer"') < seen.index('id="ladder"') < seen.index('id="cases"')
    assert seen.index("Not measured here: speed over length") > seen.index('id="cases"') and seen.count('class="missing"') == 1
    assert 'id="peers"' not in seen and "#peers" not in seen


def test_efficiency_is_speed_per_thread_over_that_of_the_smallest_team(load):
    loaded, frame = load(document([row("flash", gflops=100), row("flash", gflops=180, threads=2),
                                   row("flash", gflops=300, threads=4), row("naive", gflops=9),
                                   row("lazy_max", gflops=100, threads=2), row("lazy_max", gflops=160, threads=4)]))
    figure = first(threads, loaded, frame)
    assert items(figure, 1)["flash"].y == [100, 90, 75] and items(figure, 1)["lazy_max"].y == [100, 80]
    assert "naive" not in items(figure)


def test_the_heat_map_is_relative_to_the_fastest_of_the_row(load):
    loaded, frame = load(document([row("naive", gflops=10), row("flash", gflops=100), row("lazy_max", gflops=50),
                                   row("flash", LONG + "/cache:cold", 40), row("naive", LONG + "/cache:cold", 10)]))
    heat = first(heatmap, loaded, frame).panels[0].content[0]
    assert heat.columns == ["naive", "lazy_max", "flash"]
    assert heat.values == [[0.1, 0.5, 1], [0.25, None, 1]] and heat.texts[1][1] == ""


def test_the_pareto_front_leaves_out_who_is_slower_and_less_accurate(load):
    _, frame = load(document([row("naive", gflops=10, max_scaled_err=3e-7), row("blocked", gflops=9, max_scaled_err=3e-7),
                              row("flash", gflops=100, max_scaled_err=5e-7), row("lazy_max", gflops=90, max_scaled_err=6e-7)]))
    assert list(frame.loc[accuracy.pareto_front(frame)]["variant"]) == ["flash", "naive"]


def test_what_quantising_changed_is_told_with_the_error(tmp_path):
    told = "error 3.1e-03 against keys and values before they were quantised"
    rows = [row("naive", LONG + "/kv:int8", 10, quantisation_err=3.1e-3), row("split_kv", LONG + "/kv:int8", 40)]
    page = texts_of(write(tmp_path, document(rows)))[0].decode()
    assert page.count(told) == 1


def test_runs_are_compared_on_what_they_share(load):
    loaded = results.load_all([RECORDED, OTHER_MACHINE])
    assert [run.fact("cpu") for run in loaded] == ["Intel(R) Xeon(R) Processor", "AMD EPYC"]  # the oldest first
    figure = first(runs, loaded, frame_of(loaded))
    assert items(figure)["naive"].x == [0, 1] and items(figure)["flash"].x == [1]
    assert all(run.provenance() in figure.provenance for run in loaded)


def test_every_figure_says_where_it_is_from_and_is_valid_plotly(load):
    loaded, frame = load(rich(), recorded(OTHER_MACHINE))
    count = 0
    for section in SECTIONS:
        found = figures_of(section, loaded, frame)
        assert found, section.KEY
        assert len({figure.choice for figure in found}) == len(found), "choices that look the same"
        for figure in found:
            count += 1
            for word in ("model", "revision", "GNU 12.2.0", "seed 1", "cases", "repetition"):
                assert word in figure.provenance
            drawn = plotly_of(figure)
            for trace in drawn["data"]:
                trace.pop("ids_", None)
            plotly.graph_objects.Figure({"data": drawn["data"], "layout": drawn["layout"]})
    assert count > 40


def test_figures_of_repeated_cases_have_intervals(load):
    loaded, frame = load(document(repeated([row("naive", gflops=10), row("flash")], 6)))
    bars = first(ladder, loaded, frame).panels[0].content[0]
    assert bars.low[1] < bars.values[1] < bars.high[1]
    assert "95 % interval of the median" in first(ladder, loaded, frame).note


def test_every_known_variant_has_a_look_of_its_own_everywhere():
    looks = [(style.marker, style.peer) for style in styles.FIXED.values()]
    assert len(set(looks)) == len(looks)
    assert len({style.colour for style in styles.FIXED.values()}) == len(looks)
    assert set(rungs.all_rungs()) < set(styles.FIXED)
    assert styles.assign(["flash", "my_idea"])["flash"] == styles.assign(["naive", "flash"])["flash"]
    assert styles.assign(["flash", "my_idea"])["my_idea"] == styles.assign(["my_idea"])["my_idea"]
    unknown = styles.assign([f"idea_{index}" for index in range(40)])
    fixed = {(style.colour, style.marker) for style in styles.FIXED.values()}
    assert len({(style.colour, style.marker) for style in unknown.values()} | fixed) == 40 + len(fixed)
    assert not {style.colour for style in unknown.values()} & {colour for colour, _ in fixed}, "colours of their own"


def distances_for(matrix):
    """Of all pairs of fixed colours, how far apart they are in CIELAB as seen through this matrix (linear RGB)."""
    def seen(colour):
        linear = [((int(colour[at:at + 2], 16) / 255 + 0.055) / 1.055) ** 2.4 for at in (1, 3, 5)]
        r, g, b = (min(1, max(0, sum(a * c for a, c in zip(line, linear)))) for line in matrix)
        x, y, z = ((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505, 0.2126 * r + 0.7152 * g + 0.0722 * b,
                   (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089)
        fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
        return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)

    ours = [style.colour for style in styles.FIXED.values() if not style.peer] + styles.OWN_COLOURS
    return {(a, b): math.dist(seen(a), seen(b)) for a in ours for b in ours if a < b}


@pytest.mark.parametrize("matrix", [
    # Machado, Oliveira, Fernandes 2009, full deuteranopia and protanopia.
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
])
def test_colours_of_variants_differ_for_colour_blind_eyes(matrix):
    distances = distances_for(matrix)
    assert min(distances.values()) > 6, min(distances, key=distances.get)
