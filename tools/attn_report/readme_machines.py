"""Which recorded runs variants/README.md has the ladder of: one of each machine."""

from .errors import BadInput


def of_each_machine(runs, choose):
    """What `choose` takes from each machine's own runs, the newest first; a machine whose runs it refuses is left out."""
    machines = {}
    for recorded in runs:
        machines.setdefault(recorded.run.machine(), []).append(recorded)
    chosen = []
    for own in machines.values():
        try:
            chosen.append(choose(own))
        except BadInput:
            continue  # no run of the ladder there
    return sorted(chosen, key=lambda recorded: recorded.run.seconds(), reverse=True)
