"""All prose: d(.), the three prompts, and how prompts are fitted to a budget; no prose elsewhere."""
