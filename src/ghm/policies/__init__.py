"""The policy: state grid, action distribution, networks."""
