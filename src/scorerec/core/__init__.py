"""The ground floor: errors, configuration, tables, artifacts, randomness and progress."""
