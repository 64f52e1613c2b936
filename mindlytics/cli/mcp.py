"""``mindlytics mcp``: a server of the Model Context Protocol on stdin and stdout. ``mcptools.py`` has its tools."""

from __future__ import annotations

import click

from .. import __version__
from ..recorded.source import Source
from .placeoptions import source_option
from .terminal import fail


@click.command()
@source_option
def mcp(*, source: Source) -> None:
    """Let an assistant read what was recorded, through the Model Context Protocol.

    An assistant starts this command and talks to it on stdin and stdout. It can search, list sessions, read
    conversations and count, and change nothing. Needs the extra mcp.
    """
    try:
        from mcp.server import MCPServer  # noqa: PLC0415  an extra of its own
        from mcp.types import ToolAnnotations  # noqa: PLC0415
    except ImportError:
        fail("install 'mindlytics[mcp]', which has version 2 of the package mcp or a later one", 1)
    from .mcptools import INSTRUCTIONS, Tools  # noqa: PLC0415

    tools = Tools(source)
    made = MCPServer("mindlytics", instructions=INSTRUCTIONS, version=__version__, log_level="WARNING")
    reads = ToolAnnotations(read_only_hint=True, open_world_hint=False)
    for tool in (tools.search, tools.list_sessions, tools.read_conversation, tools.statistics):
        made.add_tool(tool, annotations=reads, structured_output=True)
    made.run("stdio")
