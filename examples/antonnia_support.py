"""A support desk over the Conversations API, blocking: from the first message to the analysed conversation.

It brings a local server along, so that it runs anywhere. With the real services, only keys and addresses differ.
"""

from mindlytics import Client
from mindlytics.antonnia import Conversations, record
from mindlytics.antonnia.exceptions import AntonniaError
from mindlytics.antonnia.types import Message, MessageContentText, Session
from mindlytics.server.run import LocalServer


def begin(conversations: Conversations, contact: str, name: str) -> Session:
    agent = conversations.agents.create("Ann", "ai", assistant_id="asst_1")
    return conversations.sessions.create(
        contact_id=contact, contact_name=name, agent_id=agent.id, metadata={"shop": {"country": "pt"}}
    )


def say(conversations: Conversations, session: Session, text: str) -> Message:
    said = conversations.sessions.messages.create(session.id, MessageContentText(text=text))
    conversations.sessions.reply(session.id)
    return said


def portuguese(conversations: Conversations) -> list[Session]:
    return conversations.sessions.search(metadata={"shop.country": "pt"}, status="open")


def main() -> None:
    with (
        LocalServer(reply="I looked up “{text}” for you.") as server,
        Conversations("any", f"{server.url}/conversations/v2") as conversations,
        Client(api_key="any", project_id="support", server_endpoint=server.url) as client,
    ):
        session = begin(conversations, "+351 912 345 678", "Ada")
        say(conversations, session, "Where is my parcel?")
        say(conversations, session, "And the invoice?")
        print(f"{len(portuguese(conversations))} session from Portugal")
        messages = list(conversations.sessions.messages.iter(session.id))
        for message in messages:
            print(f"{message.role}: {message.content.words}")
        print(conversations.sessions.finish(session.id).status)
        record(client.create_session(session_id=session.id, id=session.contact_id), messages)
        print(f"{client.flush().delivered} events delivered")
        try:
            say(conversations, session, "One more thing")
        except AntonniaError as error:
            print(error.message)


if __name__ == "__main__":
    main()
