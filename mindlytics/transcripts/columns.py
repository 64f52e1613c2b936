"""What columns are called, in tables with a row a message or a row a turn."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

_WORDS: Mapping[str, str] = {
    "conversation_id": "conversation_id conversation conversationid chat_id chatid thread_id threadid dialogue_id "
    "dialog_id session sessionid session_id ticket_id gesprächs_id gespraechs_id gesprächsid id_conversation "
    "conversation_hash chat",
    "user_id": "user_id userid customer_id customerid nutzer_id nutzerid kunden_id id_utilisateur client_id username",
    "role": "role speaker sender author from rolle sprecher absender rôle auteur participant speaker_role message_role",
    "text": "content text message body utterance value nachricht inhalt texte contenu message_text msg",
    "at": "timestamp time created_at createdat created date datetime sent_at zeitpunkt zeit datum horodatage sent ts",
    "user": "user_message user prompt question input query human user_text user_input customer_message frage "
    "benutzer message_utilisateur instruction",
    "assistant": "assistant_message assistant response answer output completion bot_response assistant_text "
    "reply bot ai "
    "bot_message agent_message antwort réponse reponse model_response",
    "model": "model model_name modell modèle",
    "prompt_tokens": "prompt_tokens input_tokens tokens_in",
    "completion_tokens": "completion_tokens output_tokens tokens_out",
    "cached_tokens": "cached_tokens",
    "tokens": "tokens token_count",
    "cost": "cost total_cost kosten",
    "assistant_id": "assistant_id agent_id bot_id",
    "feedback": "rating feedback thumbs score bewertung note satisfaction csat stars user_rating user_feedback",
    "comment": "comment feedback_comment kommentar",
}
MEANINGS = {word: meaning for meaning, words in _WORDS.items() for word in words.split()}
USUAL = {"text": "content", "at": "timestamp"}
"""Other names of keys that may be renamed."""


def meanings(names: Iterable[str]) -> dict[str, str]:
    """The column of each meaning, the first that fits."""
    found: dict[str, str] = {}
    for name in names:
        meaning = MEANINGS.get(re.sub(r"[\s-]+", "_", name.strip().lower()))
        if meaning is not None and meaning not in found:
            found[meaning] = name
    return found


def renamed(value: object, names: Mapping[str, str], found: Counter[str]) -> object:
    """A record with the usual names of keys.

    :param names: what the usual keys are called here. Of keys in lists of objects, those of the objects count too.
    :param found: counts the keys that are renamed.
    """
    return _renamed(value, _usual(names), found)


def _usual(names: Mapping[str, str]) -> dict[str, str]:
    return {theirs: USUAL.get(ours, ours) for ours, theirs in names.items()}


def _renamed(value: object, usual: Mapping[str, str], found: Counter[str]) -> object:
    if isinstance(value, dict):
        found.update(usual.keys() & value.keys())
        return {usual.get(name, name): _renamed(each, usual, found) for name, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each, usual, found) for each in value]
    return value


def is_table(columns: list[str], names: Mapping[str, str]) -> bool:
    """Whether these are columns of a table of messages or of turns.

    :param names: what the usual ones are called here.
    """
    usual = _usual(names)
    found = meanings(usual.get(name, name) for name in columns)
    return len(columns) > 1 and (("role" in found and "text" in found) or ("user" in found and "assistant" in found))
