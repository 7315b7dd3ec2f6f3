"""Mutation matrices: read, judged against a perfect phylogeny, corrected, answered about."""
