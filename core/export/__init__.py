"""What leaves: merged weights, λ, the model card, a folder for the hub."""
