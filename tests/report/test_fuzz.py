"""Recorded files with random edits: a page or a message that says where, never anything else."""

import copy
import json
import random
import traceback

import pytest
from attn_report import gate, page
from attn_report.errors import BadInput
from attn_report.json_file import parse_json
from fixtures import ROOT, recorded, texts_of
from test_gate import EXAMPLE

SEEDS = 100
ROWS = 24  # of a file: a page of all would say no more, and take longer
ENDLESS = "9e9999"  # JSON has no infinity, but its numbers have no end
NASTY = [None, True, False, 0, -1, 1, 7, 0.0, -2.5, 5e-324, 1e-29, 1e-6, 3.5, 1e12, 1e17, 1e308, -1e308, 10**400, ENDLESS, f"-{ENDLESS}", "", " ", "false", "many",
         "1.2.3 GFLOP/s", "L1 (24 KiB): 1.2.3 GB/s", "\ud800", "\udfff\ud800x", "\x1b[2J\x00", "a|b\nc\r", "$x^{", "<b>", "\u00b2", "9" * 401,
         [], {}, [1, 2], {"a": [None]}, "attention/x/avx2/h:0/q:0/d:0/threads:0", "layer//avx2/q:1/k:\u00b2/d:1",
         "0001-01-01", "b:1/h:1/q:64/d:64/mask:/threads:1"]
EXTRA = [("standing", "fastest"), ("standing", "level"), ("standing", "behind"), ("marks", {"unsteady": "passes from 40 to 90"}),
         ("marks", {"mistrusted": "inputs are all NaN"}), ("libraries", "BLAS: libtorch_cpu.so"), ("interrupted", True)]


def all_recorded():
    return sorted((ROOT / "results").glob("**/*.json"))


def originals():
    """Every recorded file, cut short, and a report of the gate, as (name, document)."""
    for path in all_recorded():
        made = recorded(path)
        if isinstance(made.get("benchmarks"), list):
            yield path.name, made
    yield "gate.json", EXAMPLE


def places(value, found):
    """Of every value in a document: what holds it, and under which key."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        found.append((value, key))
        if isinstance(value[key], (dict, list)):
            places(value[key], found)
    return found


def edit(made, chance):
    holder, key = chance.choice(places(made, []))
    action = chance.choice(["alike", "alike", "alike", "alike", "replace", "replace", "remove", "double"])
    if action == "alike":  # what passes the first look, and so comes further
        holder[key] = copy.deepcopy(chance.choice([value for value in NASTY if isinstance(value, type(holder[key]))
                                                   and value != ENDLESS] or NASTY))
    elif action == "replace":
        holder[key] = copy.deepcopy(chance.choice(NASTY))
    elif action == "remove":
        del holder[key]
    elif isinstance(holder, dict):
        holder[chance.choice(["\ud800", "marks", "skipped", "name", "fma_peak_avx512_threads_1"])] = copy.deepcopy(holder[key])
    else:
        holder.append(copy.deepcopy(holder[key]))


def edited(name, original, chance):
    """The bytes of a document with one to four edits, or with some bytes flipped."""
    made = copy.deepcopy(original)
    if "benchmarks" in made:
        rows = made["benchmarks"]
        made["benchmarks"] = [rows[place] for place in sorted(chance.sample(range(len(rows)), min(ROWS, len(rows))))]
        for row in made["benchmarks"]:
            row.update(copy.deepcopy(chance.sample(EXTRA, chance.randrange(3))))
    flips = chance.random() < 0.2
    for _ in range(0 if flips else chance.randint(1, 4)):
        edit(made, chance)
    content = bytearray(json.dumps(made).replace(f'"{ENDLESS}"', ENDLESS).replace(f'"-{ENDLESS}"', f"-{ENDLESS}").encode())
    for _ in range(chance.randint(1, 3) if flips else 0):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return bytes(content)


def outcome(path, plots):
    """`page` or `refused`; anything else is an exception."""
    try:
        if gate.is_gate(path):
            page.page_of_gate(gate.load(path)).encode()
        else:
            texts_of(path, plots=plots)
        return "page"
    except BadInput as error:
        assert str(path) in str(error) and len(str(error)) < 1000, error
        str(error).encode(errors="strict")
        return "refused"


def test_a_hundred_random_edits_of_recorded_files_give_a_page_or_a_message(tmp_path):
    documents, outcomes, faults = list(originals()), [], []
    for seed in range(SEEDS):
        chance = random.Random(seed)
        name, original = documents[seed % len(documents)]
        path = tmp_path / f"{seed}-{name}"
        path.write_bytes(edited(name, original, chance))
        try:
            outcomes.append(outcome(path, plots=seed % 10 == 0))
        except Exception:
            last = traceback.format_exc().strip().splitlines()
            faults.append(f"seed {seed}, {path}:\n" + "\n".join(last[-8:]))
    assert not faults, "\n\n".join(faults)
    # A test in which every file was refused, or none spoiled, would say nothing.
    assert min(outcomes.count("page"), outcomes.count("refused")) > SEEDS / 10, outcomes


@pytest.mark.parametrize("path", all_recorded(), ids=lambda path: path.name)
def test_every_recorded_file_is_read_whole_or_is_no_result_file(path):
    document = parse_json(path)
    if "benchmarks" in document:
        texts_of(path)
    else:
        with pytest.raises(BadInput):
            texts_of(path)
