"""How networks learn: estimators of the policy gradient, the exact sweep, Adam."""
