"""The work of the stages, which ``experiment.plan`` names; loaded when a stage runs."""
