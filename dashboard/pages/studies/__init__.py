"""Studies and the method guide in the page: figures, the file to take along, and what the tab asks the server for."""
