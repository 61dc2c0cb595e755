"""Charts: one live component with its JavaScript, and pure functions from data to Plotly figures."""
