"""The zoo, listed: `python benchmarks/zoo.py [--kinds KIND ...] [--seen] [--quick]`."""

import argparse

from _zoo_jobs import KINDS, jobs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", nargs="*", choices=KINDS, help="all by default")
    parser.add_argument("--seen", action="store_true", help="leave out what nobody looks at while working")
    parser.add_argument("--quick", action="store_true", help="the smallest seen shape of each kind, seed 0")
    options = parser.parse_args()
    for job in jobs(kinds=options.kinds, seen_only=options.seen, quick=options.quick):
        print(job.name, "(unseen)" if job.is_unseen else "")


if __name__ == "__main__":
    main()
