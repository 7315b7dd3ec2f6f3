"""The JSON schemas that edgekit shares with other readers."""
