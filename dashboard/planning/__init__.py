"""What the page "Set up" knows and does, as functions over plain values: no Gradio in here."""
