"""Parts of the script that rebuilds the bundled demo suite (see ../build.py and ../SOURCES.md)."""
