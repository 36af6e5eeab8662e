"""Execute targets by algorithms: how a wanted position becomes orders. Pure: views are arguments, wishes are
returned."""
