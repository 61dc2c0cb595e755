"""The page "Set up": methods as forms, what is asked for checked (`wish`), and its time and doubts told beforehand."""
