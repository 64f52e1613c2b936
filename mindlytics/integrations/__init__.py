"""Record other libraries in one line: one module each, which imports its library on first use.

An integration records in the session that you give it, else in the current one (:func:`mindlytics.current`), else in
one that it makes with your client or with a client from the environment. Without any of these it does nothing.

How an integration is written
-----------------------------

All of them use ``recording.py``. Its calls neither raise nor wait, so an integration calls them without ``try``. Code
that reads the *library's* objects may raise, so it needs ``@quiet``::

    recorder = Recorder(session, client)              # one for each handler, wrapped client or app

    turn = recorder.turn("How warm is it?", thread_id="7", assistant_id="weather")   # a question
    turn.use(response.usage, model="gpt-4o")          # after each call of a model: summed, model by model
    call = turn.call("thermometer", {"room": 1})      # when a tool starts
    call.end("21 °C")                                 # or call.fail(error)
    turn.first_token()                                # at each piece of a stream; the first one counts
    turn.end("It is 21 °C.")                          # or turn.fail(error, "It is"), or turn.cancel("It is")

``end``, ``fail`` and ``cancel`` record the turn, and before it its calls in the order of their ends. Only the first of
them has an effect. A turn within another one (``with turn.active():``, as in ``observe``) becomes a part of that. The
outer turn gets its tokens and calls, and records all at its own end.

The methods take the current time. If a library has times of its own, pass them as ``at=``, an aware datetime.

``text_of(content)`` gives the text of a message's content in the shapes of all these libraries.
"""
