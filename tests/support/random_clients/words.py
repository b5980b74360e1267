"""What callers and agents say: sentences that calls have in common, and some of one call alone."""

import random

_SAID = (
    "Yes.",
    "No.",
    "Hello?",
    "Thank you.",
    "Say that again, please.",
    "What does soup cost?",
    "What does soda cost?",
    "A table for two, please.",
    "A table for ten, please.",
    "I'd like to book a table for tonight.",
)
_REPLIES = (
    "Sure.",
    "Okay. Anything else?",
    "It costs 25 euros. Would you like to have one?",
    "For how many people shall I book it?",
    "We are open until ten. Shall I book a table for you?",
)
_OTHER_DRAFTS = ("Hm", "Is that", "Book", "*")
GREETINGS = ("Welcome to Roma.", "Roma, good evening. How can I help you?")
TAKING_OVER = "I have your invoice here."
AFTER_SILENCE = "Are you still there?"


class Words:
    """The words of one call."""

    def __init__(self, call: int, dice: random.Random) -> None:
        self._call, self._dice, self._count = call, dice, 0

    def said(self) -> str:
        """Return what the caller says next."""
        return self._dice.choice([*_SAID, *[f"My number is {self._number()}."] * 5])

    def reply(self) -> str:
        """Return what the model answers; sometimes that is nothing, and an apology is heard."""
        own = f"Number {self._number()} is free at seven, shall I take it?"
        return self._dice.choice([*_REPLIES, *[own] * 3]) if self._dice.random() > 0.03 else ""

    def order(self) -> str:
        """Return what is ordered, by these words alone."""
        return f"Book order {self._number()} now."

    def farewell(self) -> str:
        """Return the last words of a call."""
        return f"That is all, thank you, bye {self._number()}."

    def drafts(self, words: str, count: int, *, related: bool) -> list[str]:
        """Return what speech-to-text took for the words before they were final: they grow, or change."""
        parts = words.rstrip(".?").split()
        drafts = [
            " ".join(parts[:size]) for size in sorted(self._dice.choices(range(1, len(parts) + 1), k=count))
        ]
        if len(parts) > 5 and count and self._dice.random() < 0.4:
            drafts[-1] = " ".join([*parts[:-2], "two", parts[-1]])
        if not related:
            drafts = [
                self._dice.choice(_OTHER_DRAFTS) if self._dice.random() < 0.4 else draft for draft in drafts
            ]
        return drafts

    def _number(self) -> str:
        self._count += 1
        return f"{self._call}{self._count:02}"


def bare(text: str) -> str:
    """Return the letters and digits alone; a number that text-to-speech wrote out counts as the number."""
    written = text.lower().replace("twenty-five", "25").replace("twenty five", "25")
    return "".join(sign for sign in written if sign.isalnum() or sign == "*")
