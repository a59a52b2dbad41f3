"""Reads the result files once and writes what was asked for."""

import sys
from pathlib import Path

from . import command_line, gate, markdown
from .errors import BadInput, EnvironmentFault
from .frame import frame_of
from .results import load_all


def write(path, content):
    """All or nothing: a half-written page looks like a page."""
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content if isinstance(content, bytes) else content.encode())
        temporary.replace(path)
    except OSError as error:
        try:
            temporary.unlink(missing_ok=True)
        except OSError:
            pass
        raise EnvironmentFault(f"cannot write {path}: {error.strerror}") from error


def report_gate(options):
    if len(options.results) > 1 or options.plots or options.markdown:
        raise BadInput("a report of attnbench gate becomes a page of its own: tools/report gate.json -o gate.html; its short form is "
                       "gate.md, beside it")
    from .page import page_of_gate

    write(options.output, page_of_gate(gate.load(options.results[0])))
    print(f"tools/report: wrote {options.output}", file=sys.stderr)
    return 0


def report(options):
    if any(map(gate.is_gate, options.results)):
        return report_gate(options)
    runs = load_all(options.results)
    frame = frame_of(runs)
    if options.output:
        from .page import page_of

        write(options.output, page_of(runs, frame))
        print(f"tools/report: wrote {options.output}", file=sys.stderr)
    if options.plots:
        from .files import first_plots

        for name, content in first_plots(runs, frame, options.format or "svg"):
            write(Path(options.plots) / name, content)
            print(f"tools/report: wrote {Path(options.plots) / name}", file=sys.stderr)
    if options.markdown:
        print(markdown.short_form(runs, frame))
    return 0


def main():
    options = command_line.parse(sys.argv[1:])
    # Where the terminal's encoding lacks a letter, as the standard error stream does it.
    sys.stdout.reconfigure(errors="backslashreplace")
    if options.readme or options.check:
        from . import readme

        return readme.check() if options.check else readme.regenerate(write)
    return report(options)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BadInput as error:
        print(f"tools/report: {error}", file=sys.stderr)
        sys.exit(2)
    except EnvironmentFault as fault:
        print(f"tools/report: {fault}", file=sys.stderr)
        sys.exit(3)
    except BrokenPipeError:  # `| head` has read enough
        sys.stderr.close()
        sys.exit(0)
