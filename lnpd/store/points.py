"""At which named moments may the power fail, and what must hold afterwards?

A persistence point is a place in the story of a channel, a payment or the node itself whose transaction must be
either wholly there or wholly absent. Code names the points that its transaction contains (`write.point("...")`);
the fail-points of `--developer` and the crash tests cut the power before and after each of them.

A layer that stores something new appends its row here. A test compares this table with the calls in the source.
"""

PERSISTENCE_POINTS: dict[str, str] = {
    "store-owner": "This process has become the owner of the database: every older owner is refused from here on.",
}
