"""Whether something else took the machine while a row was timed.

A row's share is of the peak measured beside it, while the machine was as slow for both; the run's peak is of its quiet
moments. A rate well under share x peak was therefore measured on less of the machine than the run had.
"""

LEAST_RATIO = 0.80


def ratios(run):
    """Rate over share x peak, of every row for which the file tells all three."""
    found = []
    for case in run.measured():
        peak = run.peak(case.name.isa, case.name.threads, case.peak_unit)
        if peak and case.pct_peak > 0:
            found.append(case.gflops / (case.pct_peak / 100 * peak))
    return found


def line(run):
    """What to say of it; empty where nothing was disturbed."""
    known = ratios(run)
    low = [ratio for ratio in known if ratio < LEAST_RATIO]
    if not low:
        return ""
    first, last = (f"{100 * end:.0f}" for end in (min(low), max(low)))
    reached = first if first == last else f"{first} to {last}"
    return (f"disturbed: rates reached {reached} % of share x peak in {len(low)} of {len(known)} rows; repeat the run on "
            "a quieter machine")
