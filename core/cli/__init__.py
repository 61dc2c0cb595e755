"""The command line: one module per command, each a thin layer over the engine. Only typer is imported on start."""
