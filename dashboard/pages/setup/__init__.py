"""What the page "Set up" shows; what it asks for is checked and forecast by `dashboard.planning`."""
