"""LLM baselines that carry collaborative information as soft tokens or codes: one method, one file."""
