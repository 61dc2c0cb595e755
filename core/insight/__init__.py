"""What can be said about experts and merges without labels."""
