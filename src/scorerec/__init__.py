"""scorerec: LLM recommendation with natural-language collaborative evidence (SCORE)."""
