"""Pure functions from a run's `History` to a Plotly figure, with the look of the live charts; no Gradio here."""

from dashboard.charts.figures.accuracy import accuracy_by_task, accuracy_over_steps
from dashboard.charts.figures.coefficients import coefficients, coefficients_changed
from dashboard.charts.figures.entropy import entropy
from dashboard.charts.figures.profile import depth_profile, task_profile

__all__ = [
    "accuracy_by_task",
    "accuracy_over_steps",
    "coefficients",
    "coefficients_changed",
    "depth_profile",
    "entropy",
    "task_profile",
]
