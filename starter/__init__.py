"""The recipe of the starter model: a small guard of the Llama architecture, trained from scratch on two CPU cores.

`python -m starter --data DIR -o starter.gguf` makes it. It knows guardcli's prompts; guardcli knows nothing of it.
"""
