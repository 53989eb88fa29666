"""Conventional recommenders: models trained on interactions alone, by one loop, and reference predictors."""
