"""Django's settings. Values that differ between machines come from `app.site.environment`."""

import hmac
from datetime import timedelta

from pydantic import SecretStr

from app.site.databases import django_database
from app.site.environment import DjangoSettings
from kit.database.engine import database_url
from kit.settings import read_settings

environment = read_settings(DjangoSettings)
in_production = environment.app_env == "production"

DEBUG = not in_production
ALLOWED_HOSTS = environment.allowed_hosts


def _secret_key(secret: SecretStr) -> str:
    # A derived key, so that signatures of Django are not valid for the chat, and vice versa.
    key = secret.get_secret_value().encode()
    return hmac.digest(key, b"Django's SECRET_KEY", "sha256").hex()


SECRET_KEY = _secret_key(environment.chatkit_secret)
SECRET_KEY_FALLBACKS = [_secret_key(s) for s in (environment.chatkit_secret_previous,) if s]

INSTALLED_APPS = [
    "app.site",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
]
MIDDLEWARE = [
    "app.site.errors.errors_in_words",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "app.site.urls"
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

DATABASES = {"default": django_database(database_url())}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
MIGRATION_MODULES = {"chats": None}  # Alembic makes the tables of the chat

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
# A user name is locked only for the failing address. Otherwise a stranger could lock out anybody.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_ENABLED = environment.login_failures > 0
AXES_FAILURE_LIMIT = environment.login_failures
AXES_COOLOFF_TIME = timedelta(minutes=environment.login_cooloff_minutes)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "app.site.throttle.locked_out"
AXES_DISABLE_ACCESS_LOG = True  # nobody needs to know who logged in when

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = environment.page_url
LOGOUT_REDIRECT_URL = "login"

SESSION_COOKIE_DOMAIN = environment.session_cookie_domain
if in_production and not SESSION_COOKIE_DOMAIN:
    # Browsers accept such a cookie only from this host, so no other site of the domain can set a
    # session.
    SESSION_COOKIE_NAME = "__Host-sessionid"
CSRF_TRUSTED_ORIGINS = environment.csrf_trusted_origins
SESSION_COOKIE_SECURE = in_production
CSRF_COOKIE_SECURE = in_production
# The proxy in front handles TLS, HSTS and the redirect to HTTPS.
SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W008"]

STATIC_URL = "/static/"  # app.main serves them

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True

LOGGING_CONFIG = None  # kit.http.request_log configures logging
