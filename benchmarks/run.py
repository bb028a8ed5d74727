"""Run every benchmark, one after the other, and write `RESULTS.md`.

python benchmarks/run.py [NAME ...]
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
HELPERS = {"run", "results"}


def main(names: list[str]) -> None:
    """Run the named benchmarks (all by default); one that fails does not keep the others from running."""
    known = sorted(
        path.stem for path in HERE.glob("*.py") if path.stem not in HELPERS and not path.stem.startswith("_")
    )
    unknown = sorted(set(names) - set(known))
    if unknown:
        sys.exit(f"no benchmark {unknown}; there are {known}")
    failed = []
    for name in names or known:
        print(f"benchmark: {name}", file=sys.stderr)
        if subprocess.run([sys.executable, str(HERE / f"{name}.py")]).returncode:
            failed.append(name)
    print((HERE / "RESULTS.md").read_text(encoding="utf-8"))
    if failed:
        sys.exit(f"these benchmarks failed: {', '.join(failed)}")


if __name__ == "__main__":
    main(sys.argv[1:])
