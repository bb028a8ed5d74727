"""Twenty-one kinds of tables, each with several shapes, seeds and penalties: ours beside other packages.

    python benchmarks/zoo.py [--quick] [--seen] [--kinds KIND ...] [--seeds N ...] [--peers PYTHON] [--again SOLVER ...]

The whole zoo takes hours. Each fit is written to `--results` as it ends, and a run that was ended goes on from there;
`--again inklens` measures ours anew and keeps the peers, `--report` only writes the section of RESULTS.md.
"""

import argparse
import sys
from pathlib import Path

from _zoo_jobs import KINDS, SEEDS, jobs
from _zoo_report import body, figure, full, rows_of, summary
from _zoo_runs import ALL_PEERS, OURS, PATIENCE, Limits, Log, Servers, run
from results import ROOT, write_section
from solvers import peer_python

HERE = Path(__file__).parent


def main(arguments: list[str] | None = None) -> None:
    """Run what is missing, and write the section."""
    options = parsed(arguments)
    chosen = jobs(kinds=options.kinds, seen_only=options.seen, quick=options.quick, seeds=options.seeds)
    if options.list:
        print("\n".join(f"{job.name}{' (unseen)' if job.is_unseen else ''}" for job in chosen))
        return
    log = Log(options.results)
    log.forget(options.again)
    if not options.report:
        python = None if options.alone else peer_python(options.peers)
        with Servers() as servers:
            for place, job in enumerate(chosen, 1):
                print(f"{place} of {len(chosen)}: {job.name}", file=sys.stderr)
                run(job, log, servers, python, Limits(options.limit, options.patience),
                    engines=not options.no_engines, laws=options.laws)  # fmt: skip
    rows = rows_of(chosen, log)
    if options.quick or options.kinds or options.seen:  # a part of the zoo is shown, not published
        figure(rows, options.results.with_suffix(".png"))
        print("\n\n".join([summary(rows), full(rows)]))
        return
    figure(rows, HERE / "zoo.png")
    write_section("The zoo", body(rows, "zoo.png"))


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, metavar="KIND", help="all by default")
    parser.add_argument("--seen", action="store_true", help="leave out the shapes that nobody looks at while working")
    parser.add_argument("--seeds", nargs="+", type=int, choices=SEEDS, default=SEEDS, metavar="N", help="0, 1 and 2")
    parser.add_argument("--quick", action="store_true", help="the smallest seen shape of each kind, seed 0")
    parser.add_argument("--list", action="store_true", help="name the jobs, and run none")
    parser.add_argument("--report", action="store_true", help="run nothing: tell what is known")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    parser.add_argument("--no-engines", action="store_true", help="without our other engines")
    parser.add_argument("--laws", action="store_true", help="ours at five more tolerances, and stopped after a second")
    parser.add_argument("--again", nargs="+", choices=[OURS, *ALL_PEERS], default=[], help="measure these anew")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds that a fit may take")
    parser.add_argument("--patience", type=float, default=PATIENCE, help="times the best solver's seconds, for a peer")
    parser.add_argument("--peers", help="interpreter of an environment that holds the peers")
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "zoo.jsonl", help="where the fits are kept")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
