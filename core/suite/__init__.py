"""Suite files: found, checked, made from a folder, fetched."""
