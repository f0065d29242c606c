"""How a report shows it: charts, plots, tables."""
