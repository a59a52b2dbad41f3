"""Result files for tests. All but the recorded ones are made up from recorded rows: their figures mean nothing."""

import copy
import json
import random
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A run of nine rungs and split_kv over eight problems, one thread, no repetitions.
RECORDED = ROOT / "results/amd-epyc-m2-s1-2c/2026-11-24-7c03b8e15fc4-quick.json"
OTHER_MACHINE = ROOT / "results/intel-r-xeon-r-processor-m167-s1-2c/2026-11-23-5194509b36f0-quick.json"
LONG = "b:1/h:12/hkv:12/q:1024/k:1024/d:64/dv:64/dtype:f32/mask:none"


def recorded(path=RECORDED):
    return json.loads(path.read_text())


def write(folder, document, name="made_up.json"):
    path = Path(folder) / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def row(variant, problem=LONG, gflops=100.0, isa="avx512", threads=1, **changes):
    """A row as attnbench writes it, of a recorded one with other figures."""
    made = copy.deepcopy(recorded()["benchmarks"][0])
    name = f"attention/{variant}/{isa}/{problem}/threads:{threads}/real_time"
    made.update(name=name, run_name=name, flops=gflops * 1e9, threads_used=float(threads), **changes)
    return made


def document(rows, **context):
    base = recorded()["context"]
    return {"context": {**base, **context}, "benchmarks": rows}


def repeated(rows, times, spread=0.02):
    """Each row as `--benchmark_repetitions` writes it: single repetitions, then aggregates."""
    noise, made = random.Random(1), []
    for single in rows:
        speeds = [single["flops"] * (1 + noise.uniform(-spread, spread)) for _ in range(times)]
        made += [{**single, "repetitions": times, "repetition_index": index, "flops": speed}
                 for index, speed in enumerate(speeds)]
        made += [{**single, "repetitions": times, "run_type": "aggregate", "aggregate_name": kind, "flops": speed,
                  "name": f"{single['name']}_{kind}"}
                 for kind, speed in (("mean", sum(speeds) / times), ("median", sorted(speeds)[times // 2]),
                                     ("stddev", 1e9), ("cv", 0.01))]
    return made


def rich():
    """Everything at once: peers, repetitions, lengths, teams, two ISAs, a failure, skipped cases, a faulty ruler, rows
    and keys of later."""
    rows = recorded()["benchmarks"]
    for peer, factor, label in (("blas", 0.2, ""), ("onednn", 0.8, ""), ("torch", 1.1, "flash"), ("eigen", 0.1, ""),
                                ("ggml", 0.5, "")):
        for old in recorded()["benchmarks"]:
            if "/flash/" in old["name"]:
                name = old["name"].replace("/flash/avx512/", f"/{peer}/avx2/").replace("real_time", "manual_time")
                rows.append({**old, "name": name, "run_name": name, "flops": old["flops"] * factor, "label": label,
                             "prepare_seconds": 0.01, "finish_seconds": 0.002})
    for length in (64, 256, 4096):
        problem = LONG.replace("1024", str(length))
        rows += [row(variant, problem, speed + length / 100) for variant, speed in (("naive", 12), ("flash", 150))]
    for variant, speed in (("flash", 470), ("lazy_max", 400)):
        rows.append(row(variant, gflops=speed, threads=2))
    rows.append(row("flash", gflops=125, isa="avx2"))
    rows = repeated(rows, 7)
    rows.append(row("lazy_max", LONG + "/cache:cold", error_occurred=True, error_message="error 3e-2 at o[0,1,2,3] <b>"))
    rows.append(row("flash", LONG + "/cache:cold", label="jit:gemm ruler_fault", pct_peak=104.0))
    rows.append(row("flash_backward", LONG + "/pass:bwd", 80))
    rows.append({**row("x"), "name": "layer/mha/flash/b:1/h:8/q:128/d:64/threads:1/real_time"})
    rows.append({**row("x"), "name": "layer/mha/blas/b:1/h:8/q:128/d:64/threads:1/real_time", "flops": 5e10})
    return document(rows, skipped=f"attention/naive/avx512/{LONG}/threads:2: naive does not support: threads\n"
                    "attention/best/native/h:1/q:1/d:1/threads:1: no variant")


def texts_of(*paths, plots=False):
    """The page, its short form and, on request, the plots of result files, in this process: as bytes, as they are written."""
    from attn_report import files, frame, markdown, page, results

    runs = results.load_all(paths)
    made = frame.frame_of(runs)
    texts = [page.page_of(runs, made).encode(), markdown.short_form(runs, made).encode()]
    return texts + ([content for _, content in files.first_plots(runs, made, "svg")] if plots else [])


def many(count):
    """A full factorial of variants, lengths, heads, masks and teams."""
    variants = ["naive", "blocked", "vectorized", "parallel_heads", "online_softmax", "register_tile", "base2_softmax",
                "lazy_max", "flash", "split_kv", "blas", "onednn", "torch"]
    rows = [row(variant, f"b:1/h:{heads}/hkv:{heads}/q:{length}/k:{length}/d:{dim}/dv:{dim}/dtype:f32/mask:{mask}",
                10.0 * (1 + variants.index(variant)), threads=threads)
            for threads in (1, 2, 4, 8) for mask in ("none", "causal") for dim in (64, 128)
            for heads in (1, 4, 8, 12) for length in (64, 128, 256, 512, 1024, 2048, 4096) for variant in variants]
    assert len(rows) >= count
    return document(rows[:count])
