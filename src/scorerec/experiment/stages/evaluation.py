"""The last stage: every method on the same rows, and what the report needs."""
