"""Shared mathematics: losses, text encoders, batching and devices; no words of the domain."""
