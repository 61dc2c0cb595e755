"""Run as a program: the plain columns of a Parquet file as JSON.

Apache Arrow ends the process on some damaged files, so it reads a stranger's in a process of its own.
"""

from __future__ import annotations

import json
import sys


def cells(file: str, most_rows: int, most_bytes: int, most_columns: int) -> dict[str, object]:
    """`names` and `columns` as texts, or an `error` in a few words."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        return {"error": "Parquet, which needs the package `pyarrow`; install `mergescope[hub]`"}
    try:
        with pyarrow.parquet.ParquetFile(file) as opened:
            about, schema = opened.metadata, opened.schema_arrow
            names = [one.name for one in schema if not pyarrow.types.is_nested(one.type)][:most_columns]
            groups = [about.row_group(at) for at in range(about.num_row_groups)]
            wanted = [group.column(at) for group in groups for at in range(group.num_columns)]
            size = sum(one.total_uncompressed_size for one in wanted if one.path_in_schema in names)
            if not names:
                return {"error": "no plain column; if the images are inside the table, use `kind: hub`"}
            if about.num_rows > most_rows or size > most_bytes:
                return {"error": f"{about.num_rows:,} rows with {size >> 20} MiB of cells, too many for a list"}
            table = opened.read(columns=names)
    except (pyarrow.ArrowException, OSError, ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
        return {"error": f"damaged Parquet: {(str(error).splitlines() or ['?'])[0][:120]}"}
    return {"names": names, "columns": [[_plain(value) for value in column.to_pylist()] for column in table.columns]}


def _plain(value: object) -> str:
    if value is None or value != value:
        return ""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()


if __name__ == "__main__":
    if sys.platform == "linux":
        import resource

        # Lengths in a damaged file may claim any amount.
        resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
    json.dump(cells(sys.argv[1], *map(int, sys.argv[2:])), sys.stdout)
