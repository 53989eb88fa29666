"""Assessments and the ranking they imply (Eq. 7-9): the only outgoing calls, and no prompt text."""
