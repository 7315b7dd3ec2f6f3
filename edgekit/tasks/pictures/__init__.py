"""Pictures: read with their labels, boxes or masks, laid into an input, drawn, drawn upon."""
