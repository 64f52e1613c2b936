"""The page to look at: HTML of what the server has stored, for people with a browser.

``routes.py`` lists the addresses, ``access.py`` decides who may look, and ``rendering.py`` makes HTML. ``listing.py``,
``conversation.py`` and ``days.py`` read what they show. In the rest of the server, only
``app.py`` and ``run.py`` know this package.
"""
