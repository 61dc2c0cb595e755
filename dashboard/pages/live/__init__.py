"""The page "Live"; its charts lie in `dashboard.charts`."""
