"""Runs on the machines of a Ray cluster, whose results come back to the one store of the process that asked."""
