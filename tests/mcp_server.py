"""A small MCP server on standard input and output, with one tool."""

from mcp.server import MCPServer

server = MCPServer("opening-hours")


@server.tool()
def opening_hours(town: str, day: str) -> str:
    """When the town hall is open."""
    return f"{town}, {day} : 9 h - 17 h"


if __name__ == "__main__":
    server.run("stdio")
