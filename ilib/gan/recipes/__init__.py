"""Recipes: what each network of a run minimises, one short file each.

    cnn    a generator trained with L1, and nothing else
"""
