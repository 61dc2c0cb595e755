"""Middleware and routes that stand in front of the Gradio apps."""
