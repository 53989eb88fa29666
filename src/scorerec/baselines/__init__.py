"""LLM baselines: other prompts, soft tokens, codes, a policy, an encoder; one method, one file."""
