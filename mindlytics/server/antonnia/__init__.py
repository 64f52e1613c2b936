"""The Antonnia Conversations API of the local server, below ``/conversations/v2``, over the same SQLite file.

``app.py`` speaks HTTP, ``actions.py`` says what a request does, ``rows.py`` keeps it; ``desk.py`` does what is due
later (replies, schedules) and ``posting.py`` tells an application of it (webhooks).
"""
