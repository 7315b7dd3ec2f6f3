"""What is believed before any data: covariance functions, as text too, and mean functions."""
