"""A study as one HTML file: figures, tables and what was asked; nothing is loaded from anywhere."""

from __future__ import annotations

from html import escape
from pathlib import Path

from core.export import render
from core.store import StudyRecord
from core.studies import Study
from core.studies.engine import files
from core.studies.engine.result import Result, Table, grid
from dashboard.pages.studies.figures import draw
from dashboard.static_export.document import document


def html(study: Study, record: StudyRecord, result: Result) -> str:
    """The text of the file."""
    tables = "".join(map(_table, (*result.tables, *result.published)))
    title = f"{study.title} · {record.suite}"
    findings = "".join(f"<li>{escape(text)}</li>" for text in result.findings)
    body = (
        f'<h1 class="ms-title">{escape(title)}</h1>'
        f"<style>{Path(__file__).with_name('studies.css').read_text('utf-8')}</style>"
        f'<p class="ms-help">{escape(study.question)}<br>{escape(files.said(study, record))}'
        f"{escape(f'; {study.paper}' if study.paper else '')}</p><ul>{findings}</ul>"
        f'<main class="mc-grid"></main><div class="mc-grid">{tables}</div>'
    )
    return document(title, body, {"figures": [[chart.title, draw(chart)] for chart in result.charts]}, "figures.js")


def _table(table: Table) -> str:
    source = f'<p class="mc-help">Published: {escape(table.source)}.</p>' if table.source else ""
    kind = "mc-card mc-wide st-published" if table.source else "mc-card mc-wide"
    return (
        f'<div class="{kind}"><h3 class="ms-title">{escape(table.title)}</h3>{source}<div class="ms-scroll">'
        f"{render.html(grid(table), 'ms-table')}</div></div>"
    )
