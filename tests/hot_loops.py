#!/usr/bin/env python3
"""hot_loops.py OBJDUMP SEALED.o CHAINS FUNCTION...

The register tiles must live in registers: in every named function the innermost loop with the most fused multiply-adds
has at least CHAINS of them, and no loop with that many touches a vector on the stack; none with as many as a latency of 4 on
two ports asks for writes one. A spilled accumulator keeps results right and halves the speed, so that nothing else would tell.
"""
import re
import subprocess
import sys

LEAST_CHAINS = 8
STACK = re.compile(r"\(%r[sb]p[,)]")
WRITTEN = re.compile(r",[^(]*\(%r[sb]p[^)]*\)$")
VECTOR = re.compile(r"%[xyz]mm\d")
LABEL = re.compile(r"^[0-9a-f]+ <(.*)>:$")
LINE = re.compile(r"^\s*([0-9a-f]+):\s+(.*)$")
JUMP = re.compile(r"^j\w+\s+([0-9a-f]+)\b")


def functions(objdump, path):
    """(name, [(address, instruction)...]) of every function of the object."""
    text = subprocess.run([objdump, "-dC", "--no-show-raw-insn", path], check=True, capture_output=True, text=True)
    name, body = None, []
    for line in text.stdout.splitlines():
        if label := LABEL.match(line):
            if name:
                yield name, body
            name, body = label[1], []
        elif found := LINE.match(line):
            body.append((int(found[1], 16), found[2]))
    if name:
        yield name, body


def innermost_loops(body):
    """Straight code that ends in a jump back to its begin."""
    begin = 0
    at = {address: index for index, (address, _) in enumerate(body)}
    for index, (_, instruction) in enumerate(body):
        if not re.match(r"j|call|ret", instruction):
            continue
        jump = JUMP.match(instruction)
        target = at.get(int(jump[1], 16), len(body)) if jump else len(body)
        if begin <= target <= index:
            yield [i for _, i in body[target : index + 1]]
        begin = index + 1


def main():
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    objdump, path, chains, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
    most = dict.fromkeys(wanted, 0)
    spills = []
    for name, body in functions(objdump, path):
        for function in wanted:
            if f"{function}<" not in name:
                continue
            for loop in innermost_loops(body):
                products = sum(i.startswith("vfmadd") for i in loop)
                most[function] = max(most[function], products)
                on_stack = STACK if products >= chains else WRITTEN
                if products >= LEAST_CHAINS:
                    spills += [f"{name}: {i}" for i in loop if on_stack.search(i) and VECTOR.search(i)]
    for function, products in most.items():
        print(f"{function}: {products} multiply-adds in its largest innermost loop")
    missing = [function for function, products in most.items() if products < chains]
    if missing:
        print(f"no loop of at least {chains} multiply-adds in: {', '.join(missing)}")
    for spill in spills:
        print(f"vector on the stack: {spill}")
    return 1 if missing or spills else 0


if __name__ == "__main__":
    sys.exit(main())
