"""Families of image encoders; one file each, called like what stands before the colon in `arch`."""
