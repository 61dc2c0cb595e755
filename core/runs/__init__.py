"""A run from its birth to its end."""
