"""How good scores are, in training and in reports alike: one definition of every measure, by numpy alone."""
