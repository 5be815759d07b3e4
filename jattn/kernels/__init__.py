"""Ways to compute the same attention, one file each; `select.pick` chooses. `dense` is the oracle for all others."""
