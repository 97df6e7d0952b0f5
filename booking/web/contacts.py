"""How contacts are read, in forms and in the API, so that both take and refuse the same."""

import unicodedata

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from flask_babel import gettext as _

LONGEST_NAME = 100
LONGEST_NOTE = 2000


class Unreadable(ValueError):
    """What was typed is no such contact; the message says what to do."""


def name(words: str) -> str:
    """A name in any script, without control characters and surplus spaces. Raises Unreadable."""
    read = " ".join(unicodedata.normalize("NFC", words).split())
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Co", "Cn") for letter in read):
        raise Unreadable(_("Please use letters only."))
    if not any(unicodedata.category(letter).startswith("L") for letter in read):
        raise Unreadable(_("Please write a name."))
    if len(read) > LONGEST_NAME:
        raise Unreadable(_("Please shorten it to %(number)d letters.", number=LONGEST_NAME))
    return read


def email(words: str) -> str:
    """An address in lower case. Whether it exists, only a message to it can tell. Raises Unreadable."""
    try:
        # Addresses whose mailbox is in other letters than ASCII can't be reached by most mail servers.
        found = validate_email(words.strip(), check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
        raise Unreadable(_("Please write an e-mail address like name@example.com.")) from None
    return found.normalized.lower()


def phone(words: str) -> str:
    """A number in E.164; without a country code, one of this country. A landline will do. Raises Unreadable."""
    try:
        parsed = phonenumbers.parse(words, "US")
    except phonenumbers.NumberParseException:
        raise Unreadable(_("Please write a phone number with area code, like (818) 555-0100.")) from None
    # Possible, not valid: numbering plans change, and nobody should be kept from booking by an old table.
    if not phonenumbers.is_possible_number(parsed) or parsed.extension:
        raise Unreadable(_("Please write a phone number with area code, like (818) 555-0100."))
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def note(words: str) -> str:
    """Free text for the staff, without characters that no keyboard makes. Raises Unreadable."""
    read = "".join(
        letter
        for letter in words.replace("\r\n", "\n")
        if letter == "\n" or unicodedata.category(letter) not in ("Cc", "Cs")
    ).strip()
    if len(read) > LONGEST_NOTE:
        raise Unreadable(_("Please shorten it to %(number)d letters.", number=LONGEST_NOTE))
    return read
