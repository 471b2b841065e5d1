"""The recipe of a small guard: SmolLM2-135M-Instruct, tuned with `guard tune`."""
