"""Pickled PyTorch files read without executing anything: a pickle becomes descriptions of objects, never objects."""
