"""The experiments of Llama Guard's paper (arXiv 2312.06674), with a small guard: `python -m recipes.paper`."""
