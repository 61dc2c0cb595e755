"""What leaves the workspace as files: a page that works offline, a Space, figures; no Gradio in here.

    replay.write_html(store, run_id, path)       one HTML file, λ can be scrubbed in it without a network
    space.write_space(store, run_id, folder)     a folder for a Hugging Face Space that replays the run
    figures.write_figures(store, run_id, path)   one HTML file with the run's figures; SVG and PNG by its buttons

Each takes `titles` (task -> name for people). Files appear complete or not at all.
"""
