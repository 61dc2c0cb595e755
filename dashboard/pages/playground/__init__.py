"""One picture under every model, and what a run gets wrong: no Gradio in here."""
