"""Settings: Django's usual ones; the last three lines are what the cache needs."""

from __future__ import annotations

import os

SECRET_KEY = "an example, with nothing to protect"
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "examples.django.library.views"
WSGI_APPLICATION = "examples.django.wsgi.application"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "examples.django.library",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("LIBRARY", "library.sqlite3")}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS += ["cms_cache_mw.contrib.django"]
MIDDLEWARE = ["cms_cache_mw.contrib.django.middleware.Dependencies", *MIDDLEWARE]
CMS_CACHE = {"admin_token": os.environ.get("CMS_CACHE_ADMIN_TOKEN", "a-token-for-the-example")}
