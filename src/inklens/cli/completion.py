"""`inklens completion`."""

import click

from inklens.cli.terminal import echo


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    bash:  inklens completion bash >> ~/.bashrc
    zsh:   inklens completion zsh >> ~/.zshrc
    fish:  inklens completion fish > ~/.config/fish/completions/inklens.fish
    """
    from click.shell_completion import get_completion_class

    from inklens.cli.main import inklens

    complete = get_completion_class(shell)
    if complete is None:
        raise click.ClickException(f"this version of click cannot complete in {shell}")
    echo(complete(inklens, {}, "inklens", "_INKLENS_COMPLETE").source())
