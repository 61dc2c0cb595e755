"""Runs side by side: rows from reports, figures, and texts for papers and spreadsheets; no Gradio in here."""
