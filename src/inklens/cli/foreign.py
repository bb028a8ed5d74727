"""Options that other programs and older tutorials have: what to write here instead."""

from collections.abc import Sequence

import click

# scikit-learn's values of penalty, as options of ``inklens fit``
PENALTIES = {"l1": "--l1-ratio 1", "l2": "--l1-ratio 0", "elasticnet": "--l1-ratio 0.5", "none": "--C inf"}
PENALTY_LINE = "--l1-ratio 1 is L1, 0 is L2, 0.5 an elastic net, and --C inf is no penalty"
SOLVERS = "no solver is to be chosen: leave it out, and set how near the optimum with --tol"

OPTIONS = {
    "--penalty": PENALTY_LINE,
    "--solver": SOLVERS,
    "--multi-class": "the model is always the softmax of all classes; leave it out",
    "--max-iter": "a fit ends when its gap is proven to be below --tol, or after --time-budget SECONDS",
    "--alpha": "C = 1 / (alpha * training rows) gives the same model; write it as --C",
    "--lambda": "C = 1 / lambda gives the same model; write it as --C",
    "--reg": "C = 1 / reg gives the same model; write it as --C",
    "--random-state": "the split's shuffle is set with --seed",
    "--test-size": "write --test, a number of rows or a share such as 0.25",
    "--train-size": "write --train, a number of rows or a share such as 0.75",
    "--output": "write -o FILE",
    "--dataset": "write --data",
}
FOR_FITS = ("--penalty", "--solver", "--multi-class", "--max-iter", "--alpha", "--lambda", "--reg")


def option_of_today(error: click.NoSuchOption, args: Sequence[str]) -> str:
    """Return one line that says what does it today; empty for an option that nobody knows."""
    name = error.option_name.split("=")[0].lower().replace("_", "-")
    command = error.ctx.info_name if error.ctx else None
    if name not in OPTIONS or (name in FOR_FITS and command != "fit"):
        return ""
    if name == "--penalty" and (option := PENALTIES.get(_value(error.option_name, args))):
        return f"there is no --penalty; write: inklens fit {option}"
    return f"there is no {error.option_name}; {OPTIONS[name]}"


def _value(option: str, args: Sequence[str]) -> str:
    """Return what was given to an option, as "--option value" or "--option=value"."""
    for arg, following in zip(args, [*args[1:], ""], strict=True):
        if arg == option:
            return following.lower()
        if arg.startswith(f"{option}="):
            return arg.partition("=")[2].lower()
    return ""
