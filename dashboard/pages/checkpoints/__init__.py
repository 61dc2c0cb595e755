"""What the page "Checkpoints" does: looking into folders, putting suites together, fetching published ones."""
