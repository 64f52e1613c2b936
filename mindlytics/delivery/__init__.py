"""When and how much is sent, and what became of it: rules without sockets, threads or clocks.

``now`` comes in as an argument, and decisions are return values. The pipelines (``pipeline/``) wait, sleep and post.
"""
