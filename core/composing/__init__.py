"""From a folder of files to a suite file: what is there, what belongs together, and the suite that follows."""
