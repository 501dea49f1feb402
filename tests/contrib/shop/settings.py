"""Settings: Django's usual ones, and the documented lines."""

from __future__ import annotations

from pathlib import Path

SECRET_KEY = "shop"
DEBUG = True
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.views"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "shop",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "file:shop?mode=memory&cache=shared"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS += ["cms_cache_mw.contrib.django"]
MIDDLEWARE = ["cms_cache_mw.contrib.django.middleware.Dependencies", *MIDDLEWARE]
# What is purged stays away until a test asks for it.
CMS_CACHE = {"untracked_models": ["shop.visit"], "refresh_ahead": False}
