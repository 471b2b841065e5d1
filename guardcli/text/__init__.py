"""Functions on text: escape it for a terminal, find hidden characters, look-alikes and imitated markers; segments."""
