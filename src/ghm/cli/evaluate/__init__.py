"""The command ``ghm evaluate``: a policy beside the optimum."""
