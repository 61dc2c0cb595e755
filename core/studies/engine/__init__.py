"""How studies are planned, executed, resumed and written down; the questions are the files of core.studies."""
