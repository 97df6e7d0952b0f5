"""Django's settings for django-appointment: what `startproject` and its own pages advise, made quick.

Connections stay open. SQLite writes ahead, keeps what it acknowledged, and begins to write at once: our own
promises. Mails are composed and then dropped, which costs less than Django Q's queue, a row for each.
Sessions are in the database, as Django has them.
"""

import os

SECRET_KEY = "a secret for measuring only, of fifty letters or more"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "bench.peers.theirs.urls"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "appointment",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("PEER_DATABASE", ":memory:"),
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
        },
    }
}
USE_TZ = True
TIME_ZONE = os.environ.get("PEER_ZONE", "UTC")
LANGUAGE_CODE = "en-us"
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

APPOINTMENT_WEBSITE_NAME = "Measured Clinic"

# Of the slot library: the grid of our clinic, and where the library finds hours and visits, both in memory.
SLOTS_DEFAULT_INTERVAL_MINUTES = 15
SLOTS_GET_WORKING_WINDOWS_FUNC = "bench.peers.theirs.slots.working_windows"
SLOTS_GET_BUSY_INTERVALS_FUNC = "bench.peers.theirs.slots.busy_intervals"
