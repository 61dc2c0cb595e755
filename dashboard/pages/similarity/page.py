"""The tab on how the experts relate: cosines, lengths and sign conflicts of their task vectors, and advice in words."""

from __future__ import annotations

from dashboard.pages.page import Page
from dashboard.pages.similarity.service import Similarities

PAGE = Page(
    "Similarity",
    "similarity",
    (Similarities,),
    styles=("analysis.css",),
)
