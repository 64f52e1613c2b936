"""Libraries that people use, recorded in one line: a module for each, which imports its library when it is used.

Where an integration records: in the session it is given, else in the current one (:func:`mindlytics.current`), else in
one that it makes with the client it is given, or with a client that the environment describes. Without any of these it
does nothing.

How an integration is written
-----------------------------

All of them stand on ``recording.py``. None of its calls raises or waits, so an integration needs no ``try`` around
them; reading what the *library* hands over does, by ``@quiet``::

    recorder = Recorder(session, client)              # one for each handler, wrapped client or app

    turn = recorder.turn("How warm is it?", thread_id="7", assistant_id="weather")   # a question
    turn.use(response.usage, model="gpt-4o")          # after each call of a model: summed, model by model
    call = turn.call("thermometer", {"room": 1})      # when a tool starts
    call.end("21 °C")                                 # or call.fail(error)
    turn.first_token()                                # at each piece of a stream; the first one counts
    turn.end("It is 21 °C.")                          # or turn.fail(error, "It is"), or turn.cancel("It is")

``end``, ``fail`` and ``cancel`` record the turn, and before it its calls in the order in which they ended. The first of
them counts, what comes later has no effect. A turn that is begun within another one (``with turn.active():``, as
``observe`` does) becomes a part of that: its tokens and calls go there, and its end records nothing.

Times are taken when the methods are called. A library that hands over its own passes ``at=``, an aware datetime.

``text_of(content)`` gives the text of a message's content in the shapes of all these libraries.
"""
