"""Recipes: how the models that guard names were made."""
