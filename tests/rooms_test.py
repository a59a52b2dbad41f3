"""usage: rooms_test.py SOURCE_DIR

The rooms of bench/: an include leads to the same room or to a lower one, in the order in which bench/CMakeLists.txt has them;
each room says what it is, and nothing but the program's first lines lies outside. src includes nothing of bench; kernels
include src and each other alone. HACKING.md names every room, and no file that is not there.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
BENCH = ROOT / "bench"
CODE = (".cpp", ".hpp", ".h", ".c")
# On top of the rooms.
OUTSIDE = {"CMakeLists.txt", "README.md", "main.cpp", "sweeps"}


def code_of(folder):
    return [path for path in sorted(folder.rglob("*")) if path.suffix in CODE]


# What kernels may have of src.
FOR_KERNELS = ("variant.hpp", "scores.hpp", "dropout.hpp")


def includes_of(text):
    return re.findall(r'^\s*#\s*include\s+["<]([^">]+)[">]', text, re.MULTILINE)


def rooms_in(cmake):
    """From the lowest."""
    return re.search(r"foreach\(room IN ITEMS ([^)]*)\)", cmake)[1].split()


def include_faults(name, room, text, rooms):
    """Of a file of a room."""
    faults = []
    for include in includes_of(text):
        other = include.split("/")[0]
        if ".." in include:
            faults.append(f"{name} includes {include}: write it from bench/ on")
        elif (BENCH / include).exists() and other in rooms and rooms.index(other) > rooms.index(room):
            faults.append(f"{name} includes {include}: {room}/ is below {other}/")
        elif "/" not in include and (BENCH / room / include).exists():
            faults.append(f"{name} includes {include}: write {room}/{include}")
    return faults


def layout_faults(names, rooms):
    """Of what lies in bench/."""
    faults = [f"bench/{name} lies outside of the rooms" for name in sorted(names) if name not in OUTSIDE | set(rooms)]
    for room in rooms:
        for needed in ("README.md", "CMakeLists.txt"):
            if not (BENCH / room / needed).exists():
                faults.append(f"bench/{room}/ has no {needed}")
    return faults


def library_faults(name, text):
    """Of a file of src."""
    return [f"{name} includes {include} of bench" for include in includes_of(text) if (BENCH / include).exists()]


def kernel_faults(name, text):
    """Of a file of variants."""
    return [f"{name} includes {include}; of src kernels include {' and '.join(FOR_KERNELS)} alone"
            for include in includes_of(text) if include not in FOR_KERNELS
            and any((folder / include).exists() for folder in (ROOT / "src", BENCH))]


def one_way_faults():
    faults = []
    for path in code_of(ROOT / "src"):
        faults += library_faults(path.relative_to(ROOT), path.read_text())
    for path in code_of(ROOT / "variants"):
        if "external" not in path.parts:
            faults += kernel_faults(path.relative_to(ROOT), path.read_text())
    return faults


def map_faults(text, rooms):
    """Of HACKING.md: what it names in backticks and looks like a path is one. NAME and ISA stand for anything."""
    faults = [f"HACKING.md does not name bench/{room}/" for room in rooms if f"`bench/{room}/`" not in text]
    if (told := re.findall(r"^\| `bench/(\w+)/`", text, re.MULTILINE)) != rooms[::-1]:
        faults.append(f"HACKING.md has the rooms in the order {told}, which is not {rooms[::-1]}")
    for word in re.findall(r"`([^`\s]+)`", text):
        if not re.fullmatch(r"\.?[\w.*-]+(/[\w.*-]*)+|\w+\.(md|json|txt)", word):
            continue
        pattern = word.replace("NAME", "*").replace("ISA", "*")
        if not list(ROOT.glob(pattern.rstrip("/"))):
            faults.append(f"HACKING.md names {word}, which is not there")
    return faults


def check_the_checks(rooms):
    """A check that cannot fail is none."""
    low, high = rooms[0], rooms[-1]
    upwards = next(path for path in code_of(BENCH / high) if path.suffix == ".hpp")
    planted = f'#include "{high}/{upwards.name}"\n'
    assert include_faults("x", low, planted, rooms) and not include_faults("x", high, planted, rooms)
    assert include_faults("x", low, planted.replace('"', "<", 1).replace('"', ">"), rooms)
    assert include_faults("x", high, f'#include "../{low}/{upwards.name}"\n', rooms)
    assert layout_faults(["new.cpp"], rooms) and layout_faults([], [*rooms, "cellar"])
    assert library_faults("x", planted) and kernel_faults("x", planted) and kernel_faults("x", '#include "check.hpp"\n')
    assert not kernel_faults("x", '#include "variant.hpp"\n#include <cmath>\n')
    text = (ROOT / "HACKING.md").read_text()
    assert map_faults(text.replace(f"`bench/{low}/`", ""), rooms) and map_faults(text, rooms[::-1])
    assert map_faults(text + "`src/no_such_file.cpp` `bench/sweeps/no_such_*.toml`", rooms)


def main():
    rooms = rooms_in((BENCH / "CMakeLists.txt").read_text())
    check_the_checks(rooms)
    faults = layout_faults([path.name for path in BENCH.iterdir()], rooms) + one_way_faults() + map_faults((ROOT / "HACKING.md").read_text(), rooms)
    files = 0
    for room in rooms:
        for path in code_of(BENCH / room):
            faults += include_faults(path.relative_to(ROOT), room, path.read_text(), rooms)
            files += 1
    for fault in faults:
        print(fault)
    print(f"{files} files in {len(rooms)} rooms, {len(faults)} faults")
    return 1 if faults or not files else 0


sys.exit(main())
