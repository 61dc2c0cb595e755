"""The commands in one application, and how failures become one line and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from pydantic_core import SchemaError

from core.cli import (
    catalogue,
    check,
    checkpoint,
    compare,
    doctor,
    evaluate,
    fetch,
    folders,
    merge,
    runs,
    similarity,
    study,
)
from core.cli.output import program, say, tell
from core.cli.running import Interrupted
from core.errors import BadInput, MergescopeError, told

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses; 130 is what shells expect after Ctrl-C."""

app = typer.Typer(
    help="Merge fine-tuned checkpoints of one base model; learn the merging coefficients without labels.",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(merge.merge)
app.command()(evaluate.evaluate)
app.command()(similarity.similarity)
app.command()(compare.compare)
app.command()(study.study)
app.command()(catalogue.methods)
app.command()(catalogue.suites)
app.command()(catalogue.tasks)
app.add_typer(runs.app, name="runs")
app.command()(checkpoint.inspect)
app.command()(check.check)
app.command()(fetch.fetch)
app.command()(folders.scan)
app.add_typer(folders.app, name="folders")
app.command()(doctor.doctor)


def _show_version(wanted: bool) -> None:
    if wanted:
        from core.export.report import version

        tell(f"mergescope {version()}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Merge fine-tuned checkpoints of one base model; learn the merging coefficients without labels."""


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line; return the exit status. Named failures are one line on standard error."""
    try:
        command = typer.main.get_command(app)
        status = command.main(list(arguments), prog_name=program(), standalone_mode=False)
    except typer.TyperException as error:
        return _fail(f"{error.format_message().rstrip('.')}. See `{program()} --help`.", BAD_INPUT)
    except BadInput as error:
        return _fail(str(error), BAD_INPUT)
    except Interrupted as error:
        return _fail(str(error), INTERRUPTED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except SchemaError as error:
        # What Pydantic makes of Ctrl-C while it builds a class.
        if KeyboardInterrupt.__name__ not in str(error):
            raise
        return INTERRUPTED
    except MergescopeError as error:
        return _fail(str(error), FAILED)
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; Python would complain once more when it closes the stream.
        sys.stdout = None
        return FAILED
    except OSError as error:
        return _fail(told(error), FAILED)
    return int(status or DONE)


def _fail(message: str, status: int) -> int:
    say(message)
    return status
