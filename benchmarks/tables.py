"""Rewrite the tables of README from results/*.json."""
