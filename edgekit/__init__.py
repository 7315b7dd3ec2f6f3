"""edgekit takes a model from Keras to a phone or a Pi and says what it cost and what it lost."""

__version__ = "0.1.0"
