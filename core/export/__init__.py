"""What a run leaves behind: merged weights, λ, report, model card, a folder for the hub; and the results table."""
