"""The page "Layers": what it computes. Its charts lie with those of Live, since exported files show them too."""
