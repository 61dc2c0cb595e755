"""One module per tab; `dashboard.context` describes what each of them has to offer."""
