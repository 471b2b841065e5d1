"""Text on its way to a terminal or to a tokenizer: escaped, normalized, or marked as untrusted."""
