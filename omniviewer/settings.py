"""Omniviewer's settings, top to bottom: all that differs between deployments comes from the environment.

Every variable read here stands in .docs/settings.md; a test holds the two against each other.
"""

from csp.constants import NONE, SELF

from omniviewer import consistency
from omniviewer.environment import Environment
from omniviewer.locations import own_folder, packaged
from omniviewer.operations import log_configuration
from omniviewer.private_files import close_folder

env = Environment()
# A file of settings; without the variable, `.env` in the site's folder if there is one.
SETTINGS_FILE = env.settings_file("OMNIVIEWER_SETTINGS_FILE", default=own_folder() / ".env")
# The folder of all that the site writes: databases, keys of the demo, collected static files.
BASE_DIR = env.folder("OMNIVIEWER_FOLDER", default=own_folder())


# Development or demo --------------------------------------------------------------------------------------

DEBUG = env.flag("OMNIVIEWER_DEBUG")

# Set by `manage.py demo` alone: sample people to continue as, and an Omni on this machine's loopback over http.
DEMO = env.flag("OMNIVIEWER_DEMO")


# Keys -----------------------------------------------------------------------------------------------------

env.is_development, env.allows_loopback = DEBUG, DEBUG or DEMO
SECRET_KEY, SECRET_KEY_FALLBACKS = env.signing_keys("OMNIVIEWER_SECRET_KEY", "OMNIVIEWER_SECRET_KEYS_BEFORE")
ENCRYPTION_KEYS = env.fernet_keys("OMNIVIEWER_ENCRYPTION_KEYS")
if DEBUG:
    # Fixed on purpose: a key made anew at each start would make every stored token unreadable.
    SECRET_KEY = SECRET_KEY or "for development only, never outside OMNIVIEWER_DEBUG"
    ENCRYPTION_KEYS = ENCRYPTION_KEYS or ["Zm9yLWRldmVsb3BtZW50LW9ubHktMDAwMDAwMDAwMDA="]


# Omni -----------------------------------------------------------------------------------------------------

# Hosts that a credential may point to: each name allows itself and all below it.
OMNI_HOSTS = env.hosts("OMNIVIEWER_OMNI_HOSTS", default=["omniapp.co", "playground.exploreomni.dev", "omni.co"])
# Networks outside the public internet in which an instance may be: elsewhere a name that leads there is refused.
OMNI_NETWORKS = env.networks("OMNIVIEWER_OMNI_NETWORKS")
# Seconds: to connect, and the longest silence while reading.
OMNI_TIMEOUT = env.duration("OMNIVIEWER_OMNI_TIMEOUT", "20s", unit="s", bounds=("1s", "300s")).total_seconds()
# Bytes of one reply, after decompression.
MAX_BODY = env.whole("OMNIVIEWER_MAX_BODY", default=64 * 1024 * 1024, bounds=(1024 * 1024, 1024 * 1024 * 1024))
# How long a reading stays valid without Omni confirming it, and how far it may be stretched while Omni is down.
ACCESS_TTL = env.duration("OMNIVIEWER_ACCESS_TTL", "24h", unit="h", bounds=("5m", "30d"))
ACCESS_GRACE = env.duration("OMNIVIEWER_ACCESS_GRACE", "7d", unit="d", bounds=("5m", "90d"))
# Requests a minute that Omni allows a token; a tenth of them is left alone.
RATE_PER_MINUTE = env.whole("OMNIVIEWER_RATE_PER_MINUTE", default=60, bounds=(2, 100_000))
# Age below which a page is shown without asking Omni again.
FRESH_FOR = env.duration("OMNIVIEWER_FRESH_FOR", "60s", unit="s", bounds=("1s", "1d"))


# Reading in the background, and retention -----------------------------------------------------------------

# Reading in the background, for each credential: nothing, the list, or the messages too.
SYNC = env.one_of("OMNIVIEWER_SYNC", ["all", "list", "off"])
# Capture of evidence before Omni drops it: of "all" answers as they are read in the background, or every night of
# "marked" conversations (starred, or linked from a ticket). Evidence that somebody opens is stored in any case.
CAPTURE = env.one_of("OMNIVIEWER_CAPTURE", ["all", "marked"])
# Days for which captured evidence is stored; 0: for ever. Below 15, Omni would still have it and it would come back.
KEEP_DAYS = env.whole("OMNIVIEWER_KEEP_DAYS", default=0, bounds=(15, 36_500), or_zero=True)
# Days after which a conversation that Omni has shown to no API token is deleted; 0: never.
FORGET_DAYS = env.whole("OMNIVIEWER_FORGET_DAYS", default=30, bounds=(1, 36_500), or_zero=True)


# Tickets --------------------------------------------------------------------------------------------------

# A regular expression for the whole name of a ticket, and the address of its page, with "{ticket}" for the name.
TICKET_FORMAT = env.pattern("OMNIVIEWER_TICKET_FORMAT", default="[A-Z][A-Z0-9]{1,9}-[0-9]{1,9}")
TICKET_URL = env.address("OMNIVIEWER_TICKET_URL", may_have_query=True)


# Addresses of the site ------------------------------------------------------------------------------------

ALLOWED_HOSTS = env.hosts("OMNIVIEWER_ALLOWED_HOSTS", may_be_any=True)
if DEMO or DEBUG:
    ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
CSRF_TRUSTED_ORIGINS = env.origins("OMNIVIEWER_TRUSTED_ORIGINS")
_BEHIND_TLS = not (DEBUG or DEMO)
# Only behind a proxy that always sets X-Forwarded-Proto itself: elsewhere a client could pretend to be on https.
BEHIND_PROXY = env.flag("OMNIVIEWER_BEHIND_PROXY")
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Peers whose X-Forwarded-* headers are believed behind a proxy: networks, or "*" for all.
FORWARDED_ALLOW_IPS = env.peers("OMNIVIEWER_FORWARDED_ALLOW_IPS", default=["*"])
# The origin that copied links and the identity provider are told, "" for the one that a request came to, and the path
# below which the site is.
PUBLIC_URL, URL_PREFIX = env.public_url("OMNIVIEWER_PUBLIC_URL", "OMNIVIEWER_URL_PREFIX")
# Never taken from the server or a header: a client could choose where links lead.
FORCE_SCRIPT_NAME = URL_PREFIX
ROOT_URLCONF = "omniviewer.urls"
WSGI_APPLICATION = "omniviewer.wsgi.application"


# Apps, middleware and templates ---------------------------------------------------------------------------

INSTALLED_APPS = [
    "omniviewer.accounts",
    "omniviewer.audit",
    "omniviewer.operations",
    "omniviewer.demo",
    "conversations",
    "omniviewer.accounts.admin_config.AdministrationConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "csp",
    "django_htmx",
    "django_tasks",
    "django_tasks_db",
]
MIDDLEWARE = [
    "omniviewer.operations.front.bounded_cookies",
    "omniviewer.operations.front.forwarded_headers",
    "omniviewer.operations.front.below_prefix",
    "omniviewer.operations.live_echo.echo",
    "omniviewer.operations.health.probes",
    "omniviewer.operations.logs.requests",
    "omniviewer.operations.front.no_neighbours",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "omniviewer.accounts.middleware.private_pages",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "omniviewer.accounts.sessions.expire",
    "omniviewer.accounts.middleware.refresh_when_signed_out",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "omniviewer.accounts.middleware.reader_time_zone",
]
_CONTEXT_PROCESSORS = [
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
    "omniviewer.accounts.context.appearance",
    *(["omniviewer.demo.context.demo"] if DEMO else []),
]
# The site's own templates write addresses out: the loader puts the prefix before them.
_TEMPLATE_LOADERS = ["omniviewer.operations.front.TemplateLoader", "django.template.loaders.app_directories.Loader"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [packaged("templates")],
        "OPTIONS": {
            "context_processors": _CONTEXT_PROCESSORS,
            "loaders": [("django.template.loaders.cached.Loader", _TEMPLATE_LOADERS)],
        },
    },
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


# Keep API tokens out of error pages and error reports, even in development.
DEFAULT_EXCEPTION_REPORTER_FILTER = "omniviewer.operations.error_reports.NoTokens"


# Databases and files --------------------------------------------------------------------------------------

DATA_DIR = BASE_DIR / ".data"
close_folder(DATA_DIR)
DEMO_DIR = BASE_DIR / ".demo"
DATABASES = {"default": env.database("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'omniviewer.sqlite3'}")}
# Only values that can be computed again are cached: without its cache a page is slower, but no different.
CACHES = env.caches_to_spare("CACHE_URL", default="locmemcache://")
DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS = True


# Background tasks are rows of the database, done by any number of `manage.py db_worker`.
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
# Have gunicorn start a worker beside itself: with a database file, nothing else needs to be started.
_IS_FILE = DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3"
WORKER = env.flag("OMNIVIEWER_WORKER", default=_IS_FILE)
# Requests to Omni that one worker has in flight, each of another token and in a thread with a connection of its own.
WORKER_THREADS = env.whole("OMNIVIEWER_WORKER_THREADS", default=4 if _IS_FILE else 10, bounds=(1, 64))


# Signing in -----------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = f"{URL_PREFIX}/sign-in/"
# An OpenID Connect provider, known by its issuer.
OIDC_ISSUER = env.address("OMNIVIEWER_OIDC_ISSUER")
OIDC_CLIENT_ID = env.text("OMNIVIEWER_OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = env.text("OMNIVIEWER_OIDC_CLIENT_SECRET")
OIDC_NAME = env.text("OMNIVIEWER_OIDC_NAME", "your company’s account")
OIDC_SCOPES = env.text("OMNIVIEWER_OIDC_SCOPES", "openid profile email").split()
OIDC_SUBJECT_CLAIM = env.text("OMNIVIEWER_OIDC_SUBJECT_CLAIM", "sub")
OIDC_GROUPS_CLAIM = env.text("OMNIVIEWER_OIDC_GROUPS_CLAIM", "groups")
# For a provider that gives out only verified addresses without saying so (Entra ID).
OIDC_EMAILS_ARE_VERIFIED = env.flag("OMNIVIEWER_OIDC_EMAILS_ARE_VERIFIED")
# A SAML identity provider, known by its entity id.
SAML_ENTITY_ID = env.text("OMNIVIEWER_SAML_ENTITY_ID")
SAML_SSO_URL = env.address("OMNIVIEWER_SAML_SSO_URL", may_have_query=True)
SAML_CERTIFICATE = env.certificate("OMNIVIEWER_SAML_CERTIFICATE")
SAML_NAME = env.text("OMNIVIEWER_SAML_NAME", "your company’s account")
# The attributes that identify a person ("": a persistent NameID does) and name their groups.
SAML_SUBJECT = env.text("OMNIVIEWER_SAML_SUBJECT")
SAML_GROUPS = env.text("OMNIVIEWER_SAML_GROUPS", "groups")
SAML_SIGN_OUT_URL = env.address("OMNIVIEWER_SAML_SIGN_OUT_URL", may_have_query=True)
SINGLE_SIGN_ON = bool(OIDC_ISSUER or SAML_ENTITY_ID)
# A proxy that names the user in a header, trusted by its address or by a secret that it sends along.
PROXY_HEADER = env.header("OMNIVIEWER_PROXY_HEADER")
PROXY_EMAIL_HEADER = env.header("OMNIVIEWER_PROXY_EMAIL_HEADER")
PROXY_NAME_HEADER = env.header("OMNIVIEWER_PROXY_NAME_HEADER")
PROXY_GROUPS_HEADER = env.header("OMNIVIEWER_PROXY_GROUPS_HEADER")
PROXY_SECRET = env.secret("OMNIVIEWER_PROXY_SECRET", shortest=16)
PROXY_SIGN_OUT_URL = env.address("OMNIVIEWER_PROXY_SIGN_OUT_URL", may_have_query=True, may_be_path=True)
TRUSTED_PROXIES = env.proxies("OMNIVIEWER_TRUSTED_PROXIES")
if PROXY_HEADER:
    MIDDLEWARE.insert(
        1 + MIDDLEWARE.index("omniviewer.accounts.sessions.expire"), "omniviewer.accounts.sign_in.proxy.proxy_user"
    )
# Admission and staff rights, by the word of the provider or the proxy at each sign-in.
ALLOWED_EMAIL_DOMAINS = env.domains("OMNIVIEWER_ALLOWED_EMAIL_DOMAINS")
ALLOWED_GROUPS = env.words("OMNIVIEWER_ALLOWED_GROUPS", closes=True)
STAFF_GROUP = env.text("OMNIVIEWER_STAFF_GROUP")
AUDITOR_GROUP = env.text("OMNIVIEWER_AUDITOR_GROUP")
# The company's directory tells of people and groups by SCIM, with a token of which this is the SHA-256; of two, both
# are taken. The attribute that says who somebody is at sign-in.
SCIM_TOKEN_HASHES = env.digests("OMNIVIEWER_SCIM_TOKEN_HASHES", most=2)
SCIM_SUBJECT = env.one_of("OMNIVIEWER_SCIM_SUBJECT", ["externalId", "userName"])
# Passwords of our own: for the demo, for development, and for an administrator in need.
LOCAL_LOGIN = env.flag("OMNIVIEWER_LOCAL_LOGIN", default=DEMO or not (SINGLE_SIGN_ON or PROXY_HEADER))
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_ENGINE = "omniviewer.accounts.session_store"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _BEHIND_TLS
# Browsers take a __Host- cookie for the whole host alone.
_COOKIE_PREFIX = ("__Secure-" if URL_PREFIX else "__Host-") if _BEHIND_TLS else ""
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"{_COOKIE_PREFIX}session", f"{_COOKIE_PREFIX}csrf"
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = f"{URL_PREFIX}/"
CSRF_COOKIE_HTTPONLY = True
# Absolute and idle session lifetime, in seconds.
_SESSION = env.duration("OMNIVIEWER_SESSION_HOURS", "24h", unit="h", bounds=("15m", "90d"))
_IDLE = env.duration("OMNIVIEWER_IDLE_MINUTES", "480m", unit="m", bounds=("5m", "90d"))
SESSION_COOKIE_AGE, SESSION_IDLE = int(_SESSION.total_seconds()), int(_IDLE.total_seconds())


# Audit log ------------------------------------------------------------------------------------------------

# Days for which the audit log is kept, by `manage.py prune_audit`; 0: for ever.
AUDIT_DAYS = env.whole("OMNIVIEWER_AUDIT_DAYS", default=365, bounds=(1, 36_500), or_zero=True)
# Store the reader's IP address with each event.
AUDIT_IP = env.flag("OMNIVIEWER_AUDIT_IP")


# Headers for browsers -------------------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}
X_FRAME_OPTIONS = "DENY"
FILE_UPLOAD_HANDLERS = ["omniviewer.uploads.Refuse"]
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = _BEHIND_TLS
_HSTS_SECONDS = env.whole("OMNIVIEWER_HSTS_SECONDS", default=365 * 24 * 3600, bounds=(0, 10 * 365 * 24 * 3600))
SECURE_HSTS_SECONDS = _HSTS_SECONDS if _BEHIND_TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = env.flag("OMNIVIEWER_HSTS_SUBDOMAINS")
# The company, not this site, decides whether its whole domain is https.
SILENCED_SYSTEM_CHECKS = [] if SECURE_HSTS_INCLUDE_SUBDOMAINS else ["security.W005", "security.W021"]


# Static files ---------------------------------------------------------------------------------------------

STATIC_URL = f"{URL_PREFIX}/static/"
STATIC_ROOT = BASE_DIR / ".static"
# Static files are public, so any server may read them.
FILE_UPLOAD_PERMISSIONS, FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o644, 0o755
STATICFILES_DIRS = [packaged("static")]
# Scripts and stylesheets are served with all that they import in them: a page loads few files.
STATICFILES_FINDERS = [
    "omniviewer.bundles.BundleFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
]
BUNDLES_DIR = BASE_DIR / ".bundles"
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG or DEMO
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG or DEMO
        else "omniviewer.static_storage.PublicStaticFilesStorage"
    },
}


# E-mail ---------------------------------------------------------------------------------------------------

# A server that takes e-mail, without which none is sent, and the sender. Not Django's names: later versions drop these.
MAIL_SERVER = env.mail_server("OMNIVIEWER_EMAIL_URL")
MAIL_FROM = env.mail_address("OMNIVIEWER_EMAIL_FROM")


# Language and time ----------------------------------------------------------------------------------------

LANGUAGE_CODE = "en-gb"
USE_I18N = False
# For readers whose browser has not reported its time zone.
TIME_ZONE = env.time_zone("OMNIVIEWER_TIME_ZONE")


# Logs and counts ------------------------------------------------------------------------------------------

_LOG_LEVEL = env.one_of("OMNIVIEWER_LOG_LEVEL", ["INFO", "DEBUG", "WARNING", "ERROR", "CRITICAL"])
LOGGING = log_configuration.configuration(_LOG_LEVEL, is_development=DEBUG)

# Bearer token for /metrics; without one, no metrics are written to disk.
METRICS_TOKEN = env.secret("OMNIVIEWER_METRICS_TOKEN", shortest=16)
env.folder_of_counts("PROMETHEUS_MULTIPROC_DIR", default=DATA_DIR / "metrics", is_used=bool(METRICS_TOKEN))

# Faults go to Sentry, traces to a collector of OpenTelemetry, without anybody's words: where such a program is named.
SENTRY_DSN = env.receiver("OMNIVIEWER_SENTRY_DSN", "https://key@sentry.example.com/1", "sentry_sdk", "sentry")
OTLP_ENDPOINT = env.receiver("OMNIVIEWER_OTLP_ENDPOINT", "http://collector:4318", "opentelemetry.sdk", "otel")

# Refuse misspelt names, which would be ignored silently, and settings that contradict each other.
env.refuse_unknown()
consistency.check(globals())
