"""Sample pictures for a first try and for tests, 960 x 720 px each.

Rendered for this project with a small ray tracer: nobody else has rights in them, and they may be used for
anything (CC0).

- `vase.jpg`: a glazed vase on a table, for editing, cutting out and reframing.
- `vase_mask.png`: white over the vase and a little around it, black elsewhere.
- `fruit.jpg`: a bowl of oranges and lemons, to combine with the first, and for enlarging.
"""
