"""How a prompt becomes a probability: backbones, tuning (Eq. 13) and Yes/No scoring (Eq. 14)."""
