"""Results → what people read: tables for a terminal (`terminal`) and self-contained HTML pages (`html_page`).

It computes nothing, and prints nothing.
"""
