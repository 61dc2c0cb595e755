"""The page "Share"."""
