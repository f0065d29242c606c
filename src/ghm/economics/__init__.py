"""The model, what a policy says in a state, and the grids and expectations that all solutions share."""
