"""Statistics of a run and the pages that show them."""
