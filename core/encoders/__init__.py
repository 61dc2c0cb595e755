"""Image encoders and text towers: architecture, weights as arguments, precision, preprocessing."""
