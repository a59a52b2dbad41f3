"""The command line. Only the standard library: it is read before the report's own environment exists."""

import argparse

USAGE = """usage: tools/report RESULT.json... [-o report.html] [--plots DIR [--format svg|png]] [--markdown]
       tools/report gate.json [-o report.html]
       tools/report --readme | --check

Makes a page from result files of `attnbench run`: one file that needs no network, with the answer first, then plots,
then every row. Files of one machine, revision, build and seed that share no case are read as one run. What `attnbench
gate --out` wrote becomes a page of ratios and rounds.

  -o FILE        the page (default: report.html in the current folder, unless --plots or --markdown is given)
  --plots DIR    write the plot that each section of the page shows first into DIR, for a text or a pull request
  --format F     of these: svg (default) or png
  --markdown     print the short form for a pull request
  --readme       write the plot and the tables of the README files from the recorded runs in results/
  --check        change nothing; exit 1 with what differs if --readme would write something else
  --setup        only make the environment that the report runs in
  -h, --help

pandas, plotly and matplotlib are installed into .venv/ of the project at the first call.

exit: 0 good, 1 not as it would be written (--check), 2 usage or bad input, 3 environment (installation, disk)
"""


def parse(arguments):
    parser = argparse.ArgumentParser(prog="tools/report", add_help=False, allow_abbrev=False)
    parser.format_usage = parser.format_help = lambda: USAGE
    parser.add_argument("-h", "--help", action="help")
    parser.add_argument("results", nargs="*")
    parser.add_argument("-o", "--output")
    parser.add_argument("--plots")
    parser.add_argument("--format", choices=["svg", "png"])
    for flag in ("markdown", "readme", "check", "setup"):
        parser.add_argument(f"--{flag}", action="store_true")
    options = parser.parse_args(arguments)

    alone = [f"--{name}" for name in ("readme", "check", "setup") if getattr(options, name)]
    if len(alone) > 1:
        parser.error(f"{' and '.join(alone)} do not go together")
    if alone and (options.results or options.output or options.plots or options.format or options.markdown):
        parser.error(f"{alone[0]} goes alone")
    if not alone and not options.results:
        parser.error("name at least one result file; tools/bench writes build/results/quick.json")
    if options.format and not options.plots:
        parser.error("--format is of the files of --plots DIR")
    if not alone and not options.output and not options.plots and not options.markdown:
        options.output = "report.html"
    return options
