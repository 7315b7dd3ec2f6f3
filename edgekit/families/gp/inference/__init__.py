"""What the data say: likelihoods, the search that raises them, and posteriors."""
