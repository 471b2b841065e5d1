"""Write files atomically, and open regular files only."""
