"""The turns that every SDK records: six short conversations, written for this, as long as those of real transcripts.

A user says 40 to 120 characters, an assistant 80 to 250.
"""

from __future__ import annotations

from typing import NamedTuple


class Turn(NamedTuple):
    """What was said, and what it cost in tokens."""

    user: str
    assistant: str
    prompt_tokens: int
    completion_tokens: int


MODEL = "gpt-4o-mini"

_SAID = (
    (
        "Hi, I ordered a pair of walking boots on Monday and they still haven't shipped.",
        "I'm sorry about the wait. Your boots left our warehouse this morning and are with the carrier now. You should "
        "get the tracking link by email within the next two hours.",
    ),
    (
        "Can I still change the delivery address? I'm at my sister's until Sunday.",
        "Yes, as long as the parcel has not reached the local depot. Tell me the new address and I will pass it to the "
        "carrier; they confirm such changes within an hour.",
    ),
    (
        "It's 14 Quarry Lane, second floor, the bell says Okafor. Same town, same postcode.",
        "Thank you. I have asked for delivery to 14 Quarry Lane, second floor, bell marked Okafor. Nothing else about "
        "your order changes, and there is no extra charge.",
    ),
    (
        "Great. And if they turn out too small, how do I send them back from there?",
        "Print the label from your order page, or show the QR code at any parcel shop. Returns are free for thirty "
        "days, and an exchange for another size is sent as soon as we see the first scan.",
    ),
    (
        "My invoice for March shows 14 seats, but two people left in February.",
        "I see the two seats: they were freed on 3 March, after the billing date of the 1st, so March still counted "
        "fourteen. April's invoice will show twelve.",
    ),
    (
        "They left on the 20th of February though, I removed them myself that day.",
        "You're right that they were removed on 20 February. Removed people keep their seat until somebody frees it "
        "under Billing, which happened on 3 March. I can credit the difference this once.",
    ),
    (
        "Please do. Where would I see the credit, on the invoice or somewhere else?",
        "I have added a credit of 36.00 € to your account. It appears as its own line on the April invoice, and until "
        "then under Billing → Credits.",
    ),
    (
        "Is there a way to have seats freed automatically when someone is removed?",
        "There is: under Billing → Seats, switch on “Free seats of removed members”. It works from the moment you turn "
        "it on and doesn't touch members who are only suspended.",
    ),
    (
        "Write me a SQL query for customers who ordered in May but not in June, please.",
        "SELECT DISTINCT customer_id FROM orders WHERE placed >= '2025-05-01' AND placed < '2025-06-01' AND "
        "customer_id NOT IN (SELECT customer_id FROM orders WHERE placed >= '2025-06-01' AND placed < '2025-07-01');",
    ),
    (
        "It takes forever. The table has about 80 million rows and an index on placed.",
        "NOT IN is probably read as a full anti join. Try NOT EXISTS with a correlated subquery, and an index on "
        "(customer_id, placed): then each May customer needs a single lookup.",
    ),
    (
        "Better, 40 seconds now instead of six minutes. Anything else I could do there?",
        "If the report runs every month, partition orders by month of placed. Both halves of the query then read one "
        "partition each, and the index stays small enough to be kept in memory.",
    ),
    (
        "Would a materialized view make more sense if only three people look at it?",
        "For three readers and monthly figures, yes: refresh it once a night. You trade freshness for speed, so note "
        "on the report when the view was last refreshed.",
    ),
    (
        "I've got chickpeas, half a cabbage and some yoghurt. What's a quick dinner?",
        "Roast the chickpeas with paprika at 220 °C for 20 minutes, fry the cabbage in strips until it browns, and "
        "serve both over yoghurt stirred with lemon, garlic and salt.",
    ),
    (
        "No oven, sadly, only a camping stove and one pan. And no lemon either.",
        "Then fry the chickpeas first, in plenty of oil until they crackle, and set them aside. Brown the cabbage in "
        "the same pan. A splash of vinegar does for the lemon.",
    ),
    (
        "Nice! My daughter doesn't eat garlic. What else would give it some taste?",
        "Cumin or caraway toasted for half a minute in the hot oil goes well with cabbage. A spoon of mustard in the "
        "yoghurt works too, if she likes that 🙂",
    ),
    (
        "She does. How long can I keep the rest, we have a cool box but no fridge?",
        "Eat the yoghurt the same day. Fried chickpeas and cabbage keep until the next evening in a cool box that "
        "stays under 8 °C; heat them through until they steam.",
    ),
    (
        "Guten Tag, unser Router verliert seit gestern alle paar Minuten die Verbindung.",
        "Guten Tag! Das tut mir leid. Leuchtet die Anzeige „Internet“ in diesem Moment rot, oder blinkt sie nur? Bei "
        "Rot liegt es meist an der Leitung, beim Blinken am Gerät selbst.",
    ),
    (
        "Sie blinkt grün, und das WLAN bleibt da, nur Seiten laden dann nicht mehr.",
        "Danke, dann ist es vermutlich die Anmeldung. Bitte ziehen Sie den Stecker für eine volle Minute und warten "
        "Sie danach fünf Minuten. Ich prüfe inzwischen den Anschluss.",
    ),
    (
        "Gemacht. Bisher läuft es, aber gestern Abend war es auch eine Stunde lang gut.",
        "Auf der Leitung sehe ich seit dem Neustart keine Fehler mehr. Ich lasse die Messung bis morgen früh laufen "
        "und melde mich per SMS, falls wieder Abbrüche auftreten.",
    ),
    (
        "Ja bitte, und falls ein Techniker kommen muss, am liebsten erst nach 17 Uhr.",
        "Das habe ich vermerkt: Termine nur nach 17 Uhr. Falls einer nötig wird, bekommen Sie zwei Vorschläge zur "
        "Auswahl, und es entstehen Ihnen keine Kosten.",
    ),
    (
        "What's the difference between our Gold and Platinum travel cover for skiing?",
        "Both cover rescue on marked slopes. Platinum adds off-piste with a guide, hire equipment up to 800 per "
        "person, and a refund of the lift pass after the third lost day.",
    ),
    (
        "We leave on Friday already. Is it too late to move four of us to Platinum?",
        "No, you can change until the day before you travel. For four people and nine days the difference is 52.40 in "
        "all, and the cover starts at midnight on Friday.",
    ),
    (
        "My husband has asthma, we told you in 2022. Do I have to declare it again?",
        "Not if nothing has changed since: no new medicine, no stay in hospital. If either is the case, answer three "
        "questions in the app before Friday, and the price may change a little.",
    ),
    (
        "Nothing new there. Then let's do it, with the card that you have on file.",
        "Done: four people, Platinum, Friday to Saturday week, paid with the card ending in 4471. The certificates are "
        "in your inbox, and the emergency number is on the first page.",
    ),
)

TURNS = [
    Turn(user, assistant, 180 + len(user) // 4 + 60 * (number % 4), len(assistant) // 4)
    for number, (user, assistant) in enumerate(_SAID)
]


def properties(turn: Turn) -> dict[str, str | int]:
    """What a mindlytics event says of a turn, for SDKs that know no turns: a new dict at each call."""
    return {
        "session_id": "session",
        "conversation_id": "conversation",
        "user": turn.user,
        "assistant": turn.assistant,
        "model": MODEL,
        "prompt_tokens": turn.prompt_tokens,
        "completion_tokens": turn.completion_tokens,
    }


def turns_of(size: int | None) -> list[Turn]:
    """The turns as written, or turns whose texts have that many characters together."""
    if size is None:
        return TURNS
    sized = []
    for turn in TURNS:
        text = f"{turn.user} {turn.assistant} "
        text = (text * (size // len(text) + 1))[:size]
        cut = size // 3
        sized.append(turn._replace(user=text[:cut], assistant=text[cut:]))
    return sized
