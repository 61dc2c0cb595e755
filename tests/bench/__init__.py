"""Measurements of speed and memory; printed, never asserted in a timed test."""
