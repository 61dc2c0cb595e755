"""One folder a tab: its Python, its scripts and its style sheet; `page.py` in it has the `PAGE`."""
