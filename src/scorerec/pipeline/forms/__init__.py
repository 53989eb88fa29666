"""The forms in which evidence is told: one file and one line of the registry each."""
