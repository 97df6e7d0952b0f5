"""What an installation must say about itself: from `BOOKING_…` variables or `instance/config.py`.

Everything is read and checked as a whole at start-up, so that an operator sees every fault at once, in words. The
clinic's own rules (hours, notice, reminder times) are not here: they are data, in the clinic's file.
"""

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from babel import Locale, UnknownLocaleError

DEMO_SECRET = "demo-secret-that-production-refuses"
DEMO_LINK_KEY = "demo-link-key-that-production-refuses"
DEVELOPMENT_BASE_URL = "http://127.0.0.1:5000"
TEXT_TIMEOUT = 15  # Seconds to wait for Twilio to be reached, and again for its answer.


class ConfigurationError(SystemExit):
    """The configuration has faults. Whatever is starting ends with a message that names all of them, and no traceback."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("The configuration can't be used:\n" + "\n".join(f"  - {fault}" for fault in faults))


@dataclass(frozen=True)
class Setting:
    """One variable, what it means, and how its words become a value."""

    name: str
    default: str
    meaning: str
    parse: Callable[[str], Any]


def _text(words: str) -> str:
    return words.strip()


def _switch(words: str) -> bool:
    switches = {
        "on": True,
        "true": True,
        "1": True,
        "yes": True,
        "off": False,
        "false": False,
        "0": False,
        "no": False,
    }
    try:
        return switches[words.strip().lower()]
    except KeyError:
        raise ValueError("say on or off") from None


def _whole_number(least: int, most: int) -> Callable[[str], int]:
    def parse(words: str) -> int:
        try:
            number = int(words)
        except ValueError:
            raise ValueError(f"say a whole number from {least} to {most}") from None
        if not least <= number <= most:
            raise ValueError(f"say a whole number from {least} to {most}")
        return number

    return parse


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(words: str) -> str:
        if words.strip().lower() not in choices:
            raise ValueError("say " + " or ".join(choices))
        return words.strip().lower()

    return parse


def _language(words: str) -> str:
    try:
        return str(Locale.parse(words.strip().replace("-", "_")))
    except (ValueError, UnknownLocaleError):
        raise ValueError("say a language, as in en") from None


def _base_url(words: str) -> str:
    address = words.strip().rstrip("/")
    if address:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("say a whole address, as in https://visits.example.com")
    return address


def _database_url(words: str) -> str:
    """PostgreSQL is always spoken to through psycopg 3, however the address was written."""
    address = words.strip()
    for prefix in ("postgres://", "postgresql://"):
        if address.startswith(prefix):
            return "postgresql+psycopg://" + address.removeprefix(prefix)
    if address and not address.startswith(("postgresql+psycopg://", "sqlite:///")):
        raise ValueError("say sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME")
    if address in ("sqlite:///:memory:", "sqlite://"):
        raise ValueError("a database in memory can't be shared by the web server and the worker; name a file")
    return address


SETTINGS = (
    Setting(
        "BOOKING_ENV",
        "development",
        "production, or development with demo settings",
        _one_of("production", "development"),
    ),
    Setting(
        "BOOKING_DATABASE_URL",
        "",
        "the database; DATABASE_URL is read as well (default: SQLite in instance/)",
        _database_url,
    ),
    Setting("BOOKING_BASE_URL", "", "the address that patients use, for links in messages", _base_url),
    Setting("BOOKING_SECRET_KEY", DEMO_SECRET, "signs sessions; at least 32 random characters", _text),
    Setting("BOOKING_LINK_KEY", DEMO_LINK_KEY, "signs patients' links; at least 32 random characters", _text),
    Setting("BOOKING_DEBUG", "off", "shows faults in the browser; never in production", _switch),
    Setting("BOOKING_RATE_LIMITS", "on", "off only for load tests of writing on one's own machine", _switch),
    Setting(
        "BOOKING_PROXIES",
        "0",
        "how many proxies of yours stand in front and may be believed",
        _whole_number(0, 5),
    ),
    Setting(
        "BOOKING_INSTANCE",
        "",
        "a name for this installation; a copy of its database under another name doesn't send",
        _text,
    ),
    Setting("BOOKING_LANGUAGE", "en", "the language of pages and messages", _language),
    Setting("BOOKING_MAIL_HOST", "", "the mail server; without one, messages land in instance/mail", _text),
    Setting("BOOKING_MAIL_PORT", "587", "its port", _whole_number(1, 65535)),
    Setting(
        "BOOKING_MAIL_SECURITY", "starttls", "starttls, tls, or none", _one_of("starttls", "tls", "none")
    ),
    Setting("BOOKING_MAIL_USER", "", "its user name, if it asks for one", _text),
    Setting("BOOKING_MAIL_PASSWORD", "", "and its password", _text),
    Setting(
        "BOOKING_MAIL_SENDER",
        "",
        "the address that messages come from (default: the clinic's mailbox)",
        _text,
    ),
    Setting("BOOKING_MAIL_CA_FILE", "", "certificates to trust besides the system's", _text),
    Setting("BOOKING_MAIL_TIMEOUT", "20", "seconds to wait for the mail server", _whole_number(1, 30)),
    Setting(
        "BOOKING_TEXTS",
        "",
        "none, file (simulated), or twilio (default: file in development, none in production)",
        _one_of("", "none", "file", "twilio"),
    ),
    Setting("BOOKING_TWILIO_ACCOUNT", "", "the account's SID", _text),
    Setting("BOOKING_TWILIO_TOKEN", "", "its token, which also signs what comes in", _text),
    Setting("BOOKING_TWILIO_FROM", "", "our number, or the SID of a messaging service", _text),
    Setting("BOOKING_TWILIO_API", "", "another address of the API, for tests", _base_url),
    Setting(
        "BOOKING_METRICS",
        "local",
        "who may read /metrics: local, all, or none",
        _one_of("local", "all", "none"),
    ),
)


@dataclass(frozen=True)
class Config:
    """The checked settings, with what follows from them."""

    values: Mapping[str, Any]
    instance_path: Path

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values["BOOKING_" + name.upper()]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def production(self) -> bool:
        return bool(self.values["BOOKING_ENV"] == "production")

    @property
    def offers_texts(self) -> bool:
        """Whether patients may choose to be reminded by text."""
        return bool(self.values["BOOKING_TEXTS"] != "none")

    @property
    def sending_seconds(self) -> int:
        """How long one message may reasonably be on its way out. The first step of a dialogue that times out ends it, so this
        is one time-out, and as long again for all steps that were slow before.
        """
        return 2 * max(int(self.values["BOOKING_MAIL_TIMEOUT"]), TEXT_TIMEOUT)

    def flask(self) -> dict[str, Any]:
        """The same settings in the words of Flask and its extensions."""
        https = self.base_url.startswith("https://")
        return {
            "BOOKING": self,
            "SECRET_KEY": self.secret_key,
            "DEBUG": self.debug,
            "SQLALCHEMY_DATABASE_URI": self.database_url,
            "SESSION_COOKIE_NAME": "__Host-visit" if https else "visit",
            "SESSION_COOKIE_SECURE": https,
            "SESSION_COOKIE_HTTPONLY": True,
            "SESSION_COOKIE_SAMESITE": "Lax",
            # A patient may take as long over a form as they like.
            "WTF_CSRF_TIME_LIMIT": None,
            "WTF_CSRF_SSL_STRICT": https,
            "MAX_CONTENT_LENGTH": 256 * 1024,
            "MAX_FORM_MEMORY_SIZE": 256 * 1024,
            "MAX_FORM_PARTS": 200,
            "MAIL_SERVER": self.mail_host,
            "MAIL_PORT": self.mail_port,
            "MAIL_USE_TLS": self.mail_security == "starttls",
            "MAIL_USE_SSL": self.mail_security == "tls",
            "MAIL_USERNAME": self.mail_user or None,
            "MAIL_PASSWORD": self.mail_password or None,
            # What may be sent is decided by our worker, not by a testing flag.
            "MAIL_SUPPRESS_SEND": False,
            "BABEL_DEFAULT_LOCALE": self.language,
            "COMPRESS_ALGORITHM": ["br", "gzip"],
            "COMPRESS_BR_LEVEL": 1,
            "COMPRESS_LEVEL": 6,
            "COMPRESS_MIN_SIZE": 500,
        }


def load(instance_path: Path, given: Mapping[str, str] | None = None) -> Config:
    """Reads and checks all settings: `given`, else the environment, over `instance/config.py`.

    Raises ConfigurationError with every fault that was found, not only the first.
    """
    environment = dict(os.environ if given is None else given)
    written, faults = _written(instance_path / "config.py")
    if "BOOKING_DATABASE_URL" not in environment and environment.get("DATABASE_URL"):
        environment["BOOKING_DATABASE_URL"] = environment["DATABASE_URL"]

    known = {setting.name for setting in SETTINGS} | {"BOOKING_INSTANCE_PATH"}
    for name in sorted((environment.keys() | written.keys()) - known):
        if name.startswith("BOOKING_"):
            faults.append(f"{name} is no setting of this program; see .env.example for all of them.")

    values: dict[str, Any] = {}
    for setting in SETTINGS:
        words = environment.get(setting.name) or str(written.get(setting.name, "")) or setting.default
        try:
            values[setting.name] = setting.parse(words)
        except ValueError as fault:
            faults.append(f"{setting.name}: {fault} (it is {_shown(setting.name, words)}).")
            values[setting.name] = setting.parse(setting.default)

    _fill_in(values, instance_path)
    faults += _contradictions(values)
    if values["BOOKING_ENV"] == "production":
        faults += _unfit_for_production(values)
    if faults:
        raise ConfigurationError(faults)
    return Config(values, instance_path)


def _written(path: Path) -> tuple[dict[str, Any], list[str]]:
    """The names that `instance/config.py` sets, or why it couldn't be read."""
    if not path.exists():
        return {}, []
    names: dict[str, Any] = {}
    try:
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
    except Exception as trouble:  # The operator's own Python may fail in any way; say how.
        return {}, [f"instance/config.py can't be read: {trouble}."]
    return {name: value for name, value in names.items() if name.startswith("BOOKING_")}, []


def _fill_in(values: dict[str, Any], instance_path: Path) -> None:
    production = values["BOOKING_ENV"] == "production"
    if not values["BOOKING_DATABASE_URL"]:
        values["BOOKING_DATABASE_URL"] = f"sqlite:///{instance_path / 'booking.sqlite3'}"
    if not values["BOOKING_TEXTS"]:
        values["BOOKING_TEXTS"] = "none" if production else "file"
    if not values["BOOKING_BASE_URL"] and not production:
        values["BOOKING_BASE_URL"] = DEVELOPMENT_BASE_URL
    if not values["BOOKING_INSTANCE"] and not production:
        values["BOOKING_INSTANCE"] = "development"


def _contradictions(values: dict[str, Any]) -> list[str]:
    faults = []
    if values["BOOKING_TEXTS"] == "twilio":
        faults += [
            f"{name} is missing; texts by Twilio need it."
            for name in ("BOOKING_TWILIO_ACCOUNT", "BOOKING_TWILIO_TOKEN", "BOOKING_TWILIO_FROM")
            if not values[name]
        ]
    if bool(values["BOOKING_MAIL_USER"]) != bool(values["BOOKING_MAIL_PASSWORD"]):
        faults.append("BOOKING_MAIL_USER and BOOKING_MAIL_PASSWORD go together; one of them is missing.")
    if values["BOOKING_MAIL_SENDER"] and "@" not in values["BOOKING_MAIL_SENDER"]:
        faults.append("BOOKING_MAIL_SENDER is no address.")
    if values["BOOKING_MAIL_CA_FILE"] and not Path(values["BOOKING_MAIL_CA_FILE"]).is_file():
        faults.append("BOOKING_MAIL_CA_FILE names no file.")
    return faults


def _unfit_for_production(values: dict[str, Any]) -> list[str]:
    faults = []
    for name, demo in (("BOOKING_SECRET_KEY", DEMO_SECRET), ("BOOKING_LINK_KEY", DEMO_LINK_KEY)):
        if values[name] == demo:
            faults.append(f"{name} is the demo's. Make one of your own, as in: {secrets.token_urlsafe(32)}")
        elif len(values[name]) < 32:
            faults.append(f"{name} is too short: at least 32 random characters.")
    if values["BOOKING_SECRET_KEY"] == values["BOOKING_LINK_KEY"]:
        faults.append("BOOKING_SECRET_KEY and BOOKING_LINK_KEY are the same; each needs its own.")
    if values["BOOKING_DEBUG"]:
        faults.append("BOOKING_DEBUG is on: it would show the program's inside to everybody.")
    if not values["BOOKING_RATE_LIMITS"]:
        faults.append("BOOKING_RATE_LIMITS is off: that is for load tests on one's own machine.")
    if not values["BOOKING_BASE_URL"]:
        faults.append("BOOKING_BASE_URL is not set: links in messages need the address that patients use.")
    elif not values["BOOKING_BASE_URL"].startswith("https://"):
        faults.append("BOOKING_BASE_URL begins with http: patients' links must be https.")
    if not values["BOOKING_INSTANCE"]:
        faults.append(
            "BOOKING_INSTANCE is not set: name this installation, so that a copy of it never writes to patients."
        )
    if not values["BOOKING_MAIL_HOST"]:
        faults.append("BOOKING_MAIL_HOST is not set: patients would get no confirmation and no reminder.")
    if values["BOOKING_MAIL_HOST"] and values["BOOKING_MAIL_SECURITY"] == "none":
        if values["BOOKING_MAIL_HOST"] not in ("localhost", "127.0.0.1", "::1"):
            faults.append("BOOKING_MAIL_SECURITY is none: mail would cross the network in the open.")
    if is_no_reply(values["BOOKING_MAIL_SENDER"].partition("@")[0].rpartition("<")[2]):
        faults.append(
            "BOOKING_MAIL_SENDER is a no-reply address: patients answer mails, and somebody must read them."
        )
    if values["BOOKING_TEXTS"] == "file":
        faults.append("BOOKING_TEXTS is file: simulated texts reach nobody. Say twilio, or none.")
    return faults


def is_no_reply(mailbox: str) -> bool:
    """Whether the part before the @ says that nobody reads what is sent there."""
    letters = "".join(letter for letter in mailbox.lower() if letter.isalpha())
    return letters in ("noreply", "donotreply")


def _shown(name: str, words: str) -> str:
    return (
        "not shown" if any(part in name for part in ("KEY", "PASSWORD", "TOKEN", "DATABASE")) else repr(words)
    )
