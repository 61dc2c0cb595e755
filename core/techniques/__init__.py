"""Formulas that several merging methods share, and the base classes of methods that work tensor by tensor."""
