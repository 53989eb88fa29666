"""Configuration, stages, runner and presets: the only room that knows the order of stages."""
