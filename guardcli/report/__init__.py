"""Numbers → what people read: tables for a terminal (`terminal`) and self-contained HTML pages (`page`).

It computes nothing, and prints nothing.
"""
