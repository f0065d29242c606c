"""The command ``ghm solve``: the model's solution, printed and drawn."""
