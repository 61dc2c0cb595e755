"""What leaves the workspace as files: a page that works offline, a Space, figures; no Gradio in here."""
