"""``.. command-line::`` shows every command's own help, so that the reference cannot differ from the program."""

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class CommandLine(SphinxDirective):
    """Make one section a command."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        from inklens.cli.main import COMMANDS, inklens

        parent = click.Context(inklens, info_name="inklens")
        return [
            section for name in COMMANDS for section in self._sections(parent, name, inklens.get_command(parent, name))
        ]

    def _sections(self, parent: click.Context, name: str, command: click.Command) -> list[nodes.Node]:
        context = click.Context(command, info_name=name, parent=parent, max_content_width=90)
        title = context.command_path
        section = nodes.section(ids=[nodes.make_id(title)], names=[title])
        section += nodes.title(text=title)
        section += nodes.literal_block(text=command.get_help(context), language="text")
        if isinstance(command, click.Group):
            for child in command.list_commands(context):
                section += self._sections(context, child, command.get_command(context, child))
        return [section]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
