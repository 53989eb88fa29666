"""What configuration knows of each conventional recommender, read without its network: no torch here."""
