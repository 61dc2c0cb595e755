"""How the task vectors of a suite relate, as plain values and figures: no Gradio in here."""
