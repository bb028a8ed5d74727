"""`inklens doctor`."""

import click

from inklens.cli.output import json_option, print_json, print_table


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Say what this installation can do, what is missing, and how to get it."""
    from inklens.tasks.doctor import examine

    findings = examine()
    if as_json:
        print_json({"schema_version": 1, **{finding.name: finding.value for finding in findings}})
    else:
        print_table(["", "", ""], [[f.name, f.value, f.advice] for f in findings], left=(0, 1, 2))
    if not all(finding.ok for finding in findings):
        raise click.exceptions.Exit(1)
