"""The paper's tables and figures from small records, one per method and seed, that are kept."""
