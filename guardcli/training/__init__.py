"""Training examples → a LoRA adapter for a Llama Guard: by PyTorch and PEFT, which are imported where they are needed.

It knows examples and weights; what is judged with the adapter, and by which policy, is not its concern.
"""
